"""The report's page as text: the same bytes again, what is not there is said, an older run stands beside."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from abacus.core.errors import InputError
from abacus.data.audit import audit
from abacus.data.counted import COUNTED
from abacus.data.rows import Row
from abacus.data.selection import sift
from abacus.data.splitting import split
from abacus.report import caveats, counted
from abacus.report.curves import thinned
from abacus.report.figures import drawn
from abacus.report.page import browsed, embedded, render, tables
from abacus.report.pictures import draw
from abacus.report.run import KINDS, Places, read
from abacus.synthesis.rows import Synthesize, synthesize
from tests.finished import HOSTILE, NUMBERS, finished
from tests.workspace import ROOT


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Places:
    return finished(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def run(places):
    return read(places)


def test_the_stage_writes_the_page_that_another_process_writes(places, run, stage, tmp_path):
    words = [word for name, place in places._asdict().items() for word in (f"--{name}", place)]
    to = [word for name in ("summary", "table", "page") for word in (f"--{name}", tmp_path / name)]
    done = stage("report", *words, *to)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "page").read_text(encoding="utf-8")
    assert page == render(run)
    # Two scripts of ours and the data: nothing that a model said opens or closes one.
    assert page.count("<script") == page.count("</script>") == 3
    assert not re.search(r"<(?:link|iframe|img|object|embed)\b|@import|url\(", page[: page.index("<script>")])


def test_json_in_the_page_says_what_it_said_and_ends_no_script():
    text = embedded(HOSTILE)
    assert not set(text) & set("<>&\u2028\u2029")
    assert tuple(json.loads(text)) == HOSTILE


def test_every_question_is_there_with_every_answer_and_its_outcome(run):
    found = browsed(run, None)
    assert len(found["questions"]) == 33 + 4 and found["checkpoints"] == [*NUMBERS]
    for n, one in enumerate(found["questions"][:33]):
        assert [answer[1] & 1 for answer in one["a"]] == [0, int(n % 3 < 1), int(n % 3 < 2)]
    assert [one["a"][0][0] for one in found["questions"][33:]] == [*HOSTILE]


def test_an_answer_is_called_right_by_the_metric_that_the_gate_asks_for(run):
    assert browsed(run, None)["metrics"] == {
        "math": ["math strict", "math tolerant"],
        "reading": ["MF EM", "SQuAD EM"],
    }


def test_figures_and_tables_say_the_metrics(run):
    figures = drawn(run)
    assert len(figures) == 11
    for number, row in enumerate(figures["accuracy"].table.rows):
        low, high = (run.metrics[number][f"math_strict_{end}"] for end in ("low", "high"))
        assert row[2].text == f"{run.metrics[number]['math_strict']:.2f} [{low:.1f}, {high:.1f}]"
    assert [row[-1].text for row in figures["gate"].table.rows] == ["base", "passed", "passed"]
    bars = counted.waterfall(run)
    assert [(bar["reason"], bar["count"]) for bar in bars if bar["count"]] == [
        *(("raw rows", 1000), ("duplicate", 200), ("English", 10), ("wrong label", 1)),
        *(("variant of a test problem", 2), ("held out for the test", 24), ("not drawn by the mix", 163)),
        ("trained on", 600),
    ]
    assert KINDS == COUNTED


@pytest.mark.parametrize(
    ("gone", "figures", "said"),
    [
        ("prepared", {"drops"}, "There are no figures of stage prepare"),
        ("kinds", {"kinds"}, ""),
        ("records", set(), "There are no figures of stage mindrecord"),
        ("predictions", {"lengths"}, "No answers were kept"),
        ("checkpoints", {"loss", "rate"}, "There is no checkpoints/training.csv"),
    ],
)
def test_what_is_not_there_is_said(places, run, tmp_path, gone, figures, said):
    lacking = read(places._replace(**{gone: tmp_path / "nothing"}))
    assert drawn(run).keys() - drawn(lacking).keys() == figures
    assert said in render(lacking)


def test_rows_from_elsewhere_are_named(run):
    inputs = run.params["inputs"] | {"mindrecord": "data/mine.mindrecord"}
    mine = replace(run, params=run.params | {"inputs": inputs})
    assert mine.foreign == {"mindrecord": "data/mine.mindrecord"}
    assert any("inputs.mindrecord is data/mine.mindrecord" in text for text in caveats.of_run(mine))


def held_out(recipe, changed: dict[str, object]) -> set[str]:
    """The problems that are held out with some parameters changed, named as params.yaml names them."""
    given = {"synthesize": {"seed": 1, "scale": 0.0005}, "prepare": {"train_size": 100, "test_size": 24}}
    for key, value in changed.items():
        section, name = key.split(".")
        given[section] |= {name: value}
    raw = (Row(n, **row) for n, row in enumerate(synthesize(Synthesize(**given["synthesize"]))))
    # Quotients are published rounded, which is right or wrong by `prepare.labels`.
    rounded = re.compile(r"(/ .* = -?0\.\d)[0-4]\d*$")
    rows = (row._replace(solution=rounded.sub(r"\1", row.solution)) for row in raw)
    params = recipe(**given["prepare"])
    kept, _, _ = sift(audit(rows), params.labels, lambda row: None)
    return {row.problem for row in split(kept, params)[1].test}


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({"synthesize.seed": 2}, True),
        ({"synthesize.scale": 0.001}, True),
        ({"prepare.test_size": 30}, True),
        ({"prepare.labels": "rounded"}, True),
        ({"prepare.seed": 43}, False),
        ({"prepare.train_size": 90}, False),
        ({"prepare.decimals": 2}, False),
        ({"prepare.workings": "exact"}, False),
        ({"prepare.mix": "balanced"}, False),
        ({"prepare.leave_out": ["power"]}, False),
        ({"prepare.replay": 0.1}, False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_changes_the_held_out_problems_is_said_to(run, recipe, changed, others):
    assert (held_out(recipe, changed) != held_out(recipe, {})) == others
    (key,) = changed
    section, name = key.split(".")
    old = replace(run, name="v1", params=run.params | {section: {**run.params[section], name: "another"}})
    said = {row[0].text: row[3].text for row in caveats.between(run, old).rows}.get(key, "")
    assert ("problems are held out" in said or "problems may be others" in said) == others
    assert key != "prepare.seed" or "stay the same" in said


def test_a_run_that_may_have_seen_its_questions_is_not_compared_in_silence(run):
    inputs = {**run.params["inputs"], "overlap": "keep"}
    old = replace(run, name="v1", params=run.params | {"inputs": inputs})
    assert [row[0].text for row in caveats.between(run, old).rows] == ["inputs.overlap"]


def test_an_older_run_stands_in_every_figure_and_cell(places, run, tmp_path):
    shutil.copytree(places.params.parent, tmp_path / "old")
    there = Places().below(tmp_path / "old")
    path = there.metrics / "2.json"
    path.write_text(path.read_text().replace('"math_strict": 66.', '"math_strict": 33.'), encoding="utf-8")
    there.params.write_text(there.params.read_text().replace("decimals: 4", "decimals: 2"), encoding="utf-8")
    old = read(there, "v1")
    for name, figure in drawn(run, old).items():
        assert '"v1' in json.dumps(figure.spec), name
    accuracy = drawn(run, old)["accuracy"].table.rows
    assert [row[2].was[:5] for row in accuracy] == ["", "", "33.67"] or accuracy[2][2].was.startswith("33.")
    both = tables(run, old)
    assert [[cell.text for cell in row[:3]] for row in both["between"].rows] == [
        ["prepare.decimals", "4", "2"]
    ]
    assert [row[1].was for row in both["params"].rows if row[0].text == "prepare.decimals"] == ["2"]
    assert browsed(run, old)["questions"][0]["o"] == browsed(run, None)["questions"][0]["a"][old.best.number]


def test_an_older_run_without_what_is_compared_by_is_refused(places, tmp_path):
    shutil.copytree(places.params.parent, tmp_path / "old")
    (tmp_path / "old/metrics/checkpoints/1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"v1:metrics/checkpoints/1.json: has no mindformers_f1, "):
        read(Places().below(tmp_path / "old"), "v1")


def test_a_long_curve_is_thinned_to_means():
    curve = [{"step": float(n), "loss": float(n % 2), "learning_rate": 1.0} for n in range(1, 7811)]
    found = thinned(curve, 600)
    assert len(found) <= 600 and found[-1]["step"] == 7810
    assert found[0]["loss"] == pytest.approx(0.5, abs=0.1)
    assert thinned(curve[:5], 600) == curve[:5]


def test_pictures_are_of_the_figures(run, tmp_path):
    written = draw({"accuracy": drawn(run)["accuracy"]}, tmp_path)
    assert sorted(path.name for path in written) == ["accuracy.png", "accuracy.svg"]
    assert (tmp_path / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    svg = (tmp_path / "accuracy.svg").read_text(encoding="utf-8")
    assert svg.count('aria-roledescription="point"') == 6 and "var(--" not in svg


RECORDED = ROOT / "docs/figures/accuracy.svg"


def test_the_picture_in_the_docs_is_of_the_recorded_metrics():
    svg = RECORDED.read_text(encoding="utf-8")
    shown = re.findall(r"checkpoint: (\d+); percent: ([\d.]+); line: [^;]+; what: (math \w+)", svg)
    found = {(int(number), what): float(value) for number, value, what in shown}
    for number in range(6):
        metrics = json.loads((ROOT / f"metrics/checkpoints/{number}.json").read_text(encoding="utf-8"))
        for what in ("math strict", "math tolerant"):
            assert found[number, what] == metrics[what.replace(" ", "_")], (number, what)
    assert all(path.stat().st_size < 300_000 for path in RECORDED.parent.iterdir())
