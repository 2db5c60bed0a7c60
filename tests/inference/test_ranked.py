"""Several ranks answer: what each gets, the same bytes as from one, and nothing left of them when one is killed."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.inference.ranked import Task, joined, read_share, read_tasks, shares, write_share, write_tasks
from abacus.profile.load import Profile, merge, parsed
from abacus.text.prompt import Completion, Prompt
from tests.predicting import start
from tests.ranks import ranks_of, waited
from tests.tiny import TINY, write_model
from tests.training import files, free_port
from tests.workspace import ROOT

PROBLEMS = (
    *("计算 4.00 的平方根？", "解方程 5x + 5 = 0", "计算 1.50 + 2.25 等于多少？", "将分数 4/8 进行简化。"),
    *("计算 967.09 - -688.16 等于多少？", "计算 2.00 的 3 次方？", "求以下数据的平均值：[74, 13, 87, 4]"),
)


@given(st.lists(st.integers(1, 900), max_size=60), st.integers(1, 9), st.integers(1, 8))
def test_each_text_is_of_one_rank_and_none_has_much_more_than_another(lengths, ranks, together):
    found = shares(lengths, ranks, together)
    assert len(found) == ranks  # some of them empty where there are few texts
    assert sorted(place for places in found for place in places) == list(range(len(lengths)))
    assert all(places == sorted(places) for places in found)
    owner = {place: rank for rank, places in enumerate(found) for place in places}
    assert all(owner[place] == owner[place - place % together] for place in owner)
    loads = [sum(lengths[place] for place in places) for places in found]
    blocks = [sum(lengths[start : start + together]) for start in range(0, len(lengths), together)]
    assert max(loads) - min(loads) <= max(blocks, default=0)


def test_what_goes_through_files_comes_back_as_it_was(tmp_path):
    tasks = [Task([Prompt([1, 2], [3]), Prompt([4])], 9), Task([], 5)]
    write_tasks(tmp_path, tasks)
    assert [(len(task.prompts), task.max_new_tokens) for task in read_tasks(tmp_path)] == [(2, 9), (0, 5)]
    assert read_tasks(tmp_path)[0].prompts[0] == Prompt([1, 2], [3])
    done = [Completion([n], 1 / (n + 3) if n else None, n > 1) for n in range(4)]
    write_share(tmp_path, 0, [{3: done[3], 0: done[0]}, {}])
    write_share(tmp_path, 1, [{1: done[1], 2: done[2]}, {}])
    assert joined([read_share(tmp_path, rank) for rank in (0, 1)]) == [done, []]


def told(**decode: object) -> Profile:
    """The tiny profile with other decoding, short answers, and a free port."""
    decode = {"math_new_tokens": 24, "reading_new_tokens": 5, "batch_size": 4, **decode}
    document = {"abacus": TINY.document.abacus.model_dump(), **TINY.framework}
    changes = {"abacus": {"decode": decode, "launch": {"port": free_port()}}}
    return parsed(merge(document, changes), "tiny", "tiny")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, seven problems, three reading questions and small parameters."""
    folder = tmp_path_factory.mktemp("asked")
    write_model(folder / "base", folder)
    rows = [{"problem": problem, "solution": "1"} for problem in PROBLEMS]
    (folder / "math.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paragraphs = []
    for thing in ("A sky", "A very wide ocean", "My car"):
        answer = {"text": "blue", "answer_start": len(f"{thing} is ")}
        asks = [{"id": thing, "question": "Hue?", "answers": [answer]}]
        paragraphs.append({"context": f"{thing} is blue.", "qas": asks})
    reading = {"version": "1.1", "data": [{"title": "Hues", "paragraphs": paragraphs}]}
    (folder / "reading.json").write_text(json.dumps(reading))
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    return folder


def predicted(folder: Path, profile: Profile, out: str) -> dict[str, str]:
    """Run the stage to its end; the hash of each of its files."""
    process = start(folder, profile, out, squad="reading.json")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "10/10" in said and "mindspore" not in said.lower()
    assert len((folder / out / "math.jsonl").read_text().splitlines()) == len(PROBLEMS)
    return files(folder / out)


@pytest.fixture(scope="module")
def one(asked: Path) -> dict[str, str]:
    return predicted(asked, told(), "one")


def test_two_ranks_write_what_one_does(asked: Path, one: dict[str, str]) -> None:
    assert predicted(asked, told(ranks=2), "two") == one
    assert sorted(one) == ["about.json", "math.jsonl", "squad.jsonl"]
    assert (asked / "logs/predict-1/worker_1.log").is_file()
    assert not list(asked.glob(".scratch/predict/1/*")) and not ranks_of(asked)


@pytest.mark.slow
def test_more_ranks_than_batches_write_what_one_does_by_mindformers_too(asked: Path) -> None:
    alone = predicted(asked, told(engine="mindformers"), "alone")
    assert predicted(asked, told(engine="mindformers", ranks=3), "three") == alone


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGTERM, signal.SIGINT))],
)
def test_a_rank_that_dies_or_a_stage_that_is_ended_leaves_nothing(
    asked: Path, number: signal.Signals
) -> None:
    """Killed is a rank, and the stage says so; by the other signals the stage is asked to end."""
    process = start(asked, told(ranks=2), "never", squad="reading.json")
    pids = asked / ".scratch/predict/1"
    assert waited(lambda: len(list(pids.glob("rank_*.pid"))) == 2 and len(ranks_of(asked)) == 3)
    if number == signal.SIGKILL:
        os.kill(int((pids / "rank_1.pid").read_text()), number)
        expected = 1, "error: rank 1 was killed by SIGKILL; its log: logs/predict-1/worker_1.log"
    else:
        process.send_signal(number)
        how = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
        expected = 128 + number, f"{how}: what existed before is unchanged"
    said = process.communicate(timeout=120)[1].splitlines()
    assert (process.returncode, said[-1]) == expected
    assert waited(lambda: not ranks_of(asked), 10)
    assert not (asked / "never").exists() and not list(asked.glob(".part-*")) and not pids.exists()
