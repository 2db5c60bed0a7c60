"""DVC's own commands in a clone, without any of ours: each ends well and can be read. The tiny profile, two checkpoints."""

import csv
import io
import json
import subprocess
import time

import pytest
import yaml

from abacus.scoring.metrics import METRICS
from tests.clones import Clone
from tests.clones import shared as share_clone
from tests.workspace import ran, small_clone, write_params

RATE = "profiles/tiny.yaml:lr_schedule.learning_rate=0.002"
# What holds anyway: configure runs, and nothing after it.
SAME = "finetune.steps_per_checkpoint=2"
SAME_TOO = "profiles/tiny.yaml:++lr_schedule.warmup_ratio=0.03"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A git clone after one `dvc repro`, all committed; before it, `dvc status` of the bare clone was asked for."""
    folder = tmp_path_factory.mktemp("alone")
    params = small_clone(folder) | {"checkpoints": [0, 1]}
    params["predict"] |= {"math_limit": 11, "squad_limit": 2}
    write_params(folder, params)
    for path in folder.glob("metrics/**/*.*"):
        path.unlink()
    made = Clone(folder)
    for key, value in (("user.name", "t"), ("user.email", "t@example.org")):
        made.ok("git", "config", key, value)
    made.commit("code")
    made.ok("dvc", "repro")
    made.commit("run")
    return made


def params_of(clone: Clone, *words: str) -> dict:
    return json.loads(clone.ok("dvc", "params", "diff", "--json", *words))


def test_git_has_no_dvc_file_whose_data_every_clone_lacks():
    done = subprocess.run(["git", "ls-files", "*.dvc"], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_after_a_run_the_workspace_is_clean(clone):
    assert json.loads(clone.ok("dvc", "status", "--json")) == {}
    assert clone.ok("git", "status", "--porcelain") == ""
    assert ran(clone.ok("dvc", "repro")) == set()


def test_metrics_are_flat_and_those_of_the_table_come_before_the_bounds(clone):
    shown = json.loads(clone.ok("dvc", "metrics", "show", "--json"))[""]["data"]
    assert {f"metrics/checkpoints/{n}.json" for n in range(2)} <= shown.keys()
    prompts = [found["data"].pop("reading_prompt", None) for found in shown.values()]
    assert prompts.count("contest") == 2, "each checkpoint says by which prompt it was asked"
    for found in shown.values():
        assert all(isinstance(value, int | float) for value in found["data"].values())
    found = list(shown["metrics/checkpoints/1.json"]["data"])
    assert found[: len(METRICS)] == [metric.name for metric in METRICS]
    assert all(name.endswith(("_low", "_high")) for name in found[len(METRICS) :])
    lines = clone.ok(
        "dvc", "metrics", "show", *(f"metrics/checkpoints/{n}.json" for n in range(2))
    ).splitlines()
    assert len(lines) == 3
    assert lines[0].index("math_problems") < 330, "what is looked for stands before the bounds"


def test_every_plot_can_be_drawn(clone):
    plots = json.loads(clone.ok("dvc", "plots", "show", "--json"))
    assert "errors" not in plots
    tables = {f"metrics/{kind}/{n}.csv" for kind in ("answers", "categories") for n in range(2)}
    tables |= {"metrics/prepare.csv", "nearness of math answers"}
    assert {"math accuracy", "reading comprehension", "training loss", *tables} <= plots["data"].keys()
    (accuracy,) = plots["data"]["math accuracy"]
    assert "<DVC" not in json.dumps(accuracy["content"]), "an anchor of .dvc/plots that DVC does not know"
    points = accuracy["content"]["data"]["values"]
    assert {f"{point['field']}_{end}" for point in points for end in ("low", "high")} <= points[0].keys()
    clone.ok("dvc", "plots", "show", "-o", str(clone.folder / "dvc_plots"))
    assert clone.ok("git", "status", "--porcelain") == ""


def test_the_report_beside_the_commit_it_came_from(clone, tmp_path):
    said = clone.ok("make report", "AGAINST=HEAD", f"FIGURES={tmp_path}", "OPEN=0")
    (page,) = said.splitlines()
    assert page.startswith("report/against-") and (clone.folder / page).is_file()
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".png"}
    assert clone.ok("git", "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def rate(clone):
    """What an experiment says that is run in the workspace, and the profile before it."""
    before = (clone.folder / "profiles/tiny.yaml").read_text(encoding="utf-8")
    return before, clone.ok("dvc", "exp", "run", "-n", "rate", "-S", RATE)


@pytest.mark.slow
def test_an_experiment_in_the_workspace_is_one_of_another_learning_rate(clone, rate):
    before, said = rate
    assert {"configure", "finetune", "predict@1", "evaluate@1", "report"} <= ran(said)
    assert not ran(said) & {"prepare", "base", "mindrecord", "predict@0"}
    after = (clone.folder / "profiles/tiny.yaml").read_text(encoding="utf-8")
    assert after == before.replace("learning_rate: 1.0e-3", "learning_rate: 0.002"), (
        "comments stay, and all else"
    )
    found = {"lr_schedule.learning_rate": {"old": 0.001, "new": 0.002, "diff": 0.001}}
    assert params_of(clone) == {"profiles/tiny.yaml": found}
    metrics = json.loads(clone.ok("dvc", "metrics", "diff", "--json"))
    assert metrics["metrics/checkpoints/1.json"]["math_nll"]["diff"] != 0
    assert "metrics/checkpoints/0.json" not in metrics
    assert "lr_schedule.learning_rate" in clone.ok("dvc", "exp", "diff", "HEAD", "rate")
    table = csv.DictReader(io.StringIO(clone.ok("dvc", "exp", "show", "--csv")))
    rates = {row["Experiment"] or row["rev"]: row["lr_schedule.learning_rate"] for row in table}
    branch = clone.ok("git", "branch", "--show-current").strip()
    assert rates == {"workspace": "0.002", branch: "0.001", "rate": "0.002"}


@pytest.mark.slow
def test_plots_and_parameters_of_two_versions_are_compared(clone, rate):
    """`dvc plots diff` draws both of an experiment and the commit it began at; `dvc params diff` names what was changed."""
    found = json.loads(clone.ok("dvc", "plots", "diff", "--json", "HEAD", "rate"))
    # What is seen of a running training is in no commit.
    missing = {(one["rev"], one["name"]) for one in found.get("errors", ())}
    assert missing <= {(rev, "dvclive/plots/metrics") for rev in ("HEAD", "rate")}
    (loss,) = found["data"]["training loss"]
    assert set(loss["revisions"]) == {"HEAD", "rate"}
    clone.ok("dvc", "plots", "diff", "HEAD", "rate", "-o", str(clone.folder / "dvc_plots"))
    assert (clone.folder / "dvc_plots/index.html").is_file()
    assert params_of(clone, "HEAD", "rate").keys() == {"profiles/tiny.yaml"}
    assert "lr_schedule.learning_rate" in clone.ok("dvc", "params", "diff", "HEAD", "rate")
    assert "metrics/checkpoints/1.json" in clone.ok("dvc", "metrics", "diff", "HEAD", "rate")


@pytest.mark.slow
def test_an_experiment_is_applied_and_taken_back(clone, rate):
    clone.ok("git", "checkout", "-q", ".")
    clone.ok("dvc", "checkout")
    assert json.loads(clone.ok("dvc", "status", "--json")) == {}
    clone.ok("dvc", "exp", "apply", "rate")
    assert "profiles/tiny.yaml" in params_of(clone)
    assert ran(clone.ok("dvc", "repro")) == set()
    clone.ok("git", "checkout", "-q", ".")
    clone.ok("dvc", "checkout")
    assert json.loads(clone.ok("dvc", "status", "--json")) == {}


@pytest.mark.parametrize(
    ("how", "change", "file"),
    [
        ("--temp", SAME, "params.yaml"),
        pytest.param("--queue", SAME_TOO, "profiles/tiny.yaml", marks=pytest.mark.slow),
    ],
)
def test_an_experiment_elsewhere_has_all_that_it_needs(clone, how, change, file):
    """In a copy of what git has: the stages' Python is found, and no wheel is looked for."""
    name = f"elsewhere{how}"
    (clone.folder / "notes.txt").write_text("mine", encoding="utf-8")
    said = clone.ok("dvc", "exp", "run", how, "-n", name, "-S", change, "-C", "notes.txt")
    if how == "--queue":
        said = clone.ok("dvc", "exp", "run", "--run-all")
    (clone.folder / "notes.txt").unlink()
    # The report shows every parameter.
    assert ran(said) == {"configure"} | ({"report"} if file == "params.yaml" else set())
    assert clone.ok("git", "status", "--porcelain") == ""
    assert params_of(clone, "HEAD", name).keys() == {file}


@pytest.mark.slow
def test_the_queue_works_in_the_background(clone):
    """`dvc queue start`: a worker of DVC's own runs what was queued, has the environment, and ends by itself."""
    clone.ok("dvc", "exp", "run", "--queue", "-n", "queued", "-S", SAME_TOO)
    assert "Queued" in clone.ok("dvc", "queue", "status")
    clone.ok("dvc", "queue", "start", "-j", "1")
    try:
        for _ in range(600):
            said = clone.ok("dvc", "queue", "status")
            if "Queued" not in said and "Running" not in said:
                break
            time.sleep(1)
    finally:
        clone.ok("dvc", "queue", "stop")
    assert "Success" in said, said + clone.run("dvc", "queue", "logs", "queued").stdout
    assert "queued" in clone.ok("dvc", "exp", "list", "--name-only")
    assert params_of(clone, "HEAD", "queued").keys() == {"profiles/tiny.yaml"}
    assert clone.ok("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_plain_push_and_pull_by_a_folder(clone, tmp_path):
    """A remote as DVC's documentation begins with one, a local folder: what was pushed is pulled, and nothing runs."""
    here = clone.fresh(tmp_path / "here")
    here.ok("dvc", "remote", "add", "-f", "-d", "folder", str(tmp_path / "remote"))
    here.ok("dvc", "cache", "dir", "--local", str(clone.folder / ".dvc/cache"))
    here.ok("dvc", "checkout")
    here.ok("dvc", "push")
    here.commit("a folder")
    there = here.fresh(tmp_path / "there")
    there.ok("dvc", "pull")
    assert json.loads(there.ok("dvc", "status", "--json")) == {}
    assert "in sync" in there.ok("dvc", "status", "--cloud")
    assert ran(there.ok("dvc", "repro")) == set()
    assert there.files() == here.files()


@pytest.mark.slow
def test_one_profile_and_the_other_and_back(clone, tmp_path):
    """`make repro PROFILE=x; git checkout .; make repro PROFILE=x` in a clone without any data of its lock."""
    other = clone.fresh(tmp_path / "other")
    text = (other.folder / "profiles/tiny.yaml").read_text(encoding="utf-8")
    (other.folder / "profiles/else.yaml").write_text(text.replace("1.0e-3", "3.0e-3"), encoding="utf-8")
    place = other.folder / "data/models/else/README.md"
    assert "no such folder, expected one" in other.fails("repro", "PROFILE=else")
    place.parent.mkdir()
    place.write_text("of a seed", encoding="utf-8")
    for _ in range(2):
        assert "best: checkpoint 1" in other.ok("repro", "PROFILE=else")
        assert yaml.safe_load((other.folder / "params.yaml").read_text(encoding="utf-8"))["profile"] == "else"
        other.ok("git", "checkout", "-q", ".")


def test_a_pull_gives_a_workspace_in_which_nothing_runs(clone, s3, tmp_path):
    here = share_clone(clone, s3)
    here.ok("push")
    for words in (("pull",), ("dvc", "pull")):
        there = here.fresh(tmp_path / "-".join(words))
        there.ok(*words)
        assert json.loads(there.ok("dvc", "status", "--json")) == {}
        assert ran(there.ok("dvc", "repro")) == set()
        assert there.ok("git", "status", "--porcelain") == ""
