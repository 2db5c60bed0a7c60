"""Comparing two locks: every kind of difference is said, and nothing else."""

import copy

import pytest

from abacus.pipeline.lock import compare

LOCK = {
    "schema": "2.0",
    "stages": {
        "prepare": {
            "cmd": "python -m stages.prepare",
            "deps": [{"path": "data/raw/train.json", "hash": "md5", "md5": "aa", "size": 3}],
            "params": {"params.yaml": {"prepare": {"decimals": 4}}},
            "outs": [
                {"path": "data/train-v2.json", "md5": "bb"},
                {"path": "metrics/prepare.json", "md5": "cc"},
            ],
        },
        "base": {
            "cmd": "python -m stages.base",
            "outs": [{"path": "data/base", "md5": "dd.dir", "nfiles": 4}],
        },
    },
}


def test_equal_locks_are_the_same():
    assert [tuple(one) for one in compare(LOCK, copy.deepcopy(LOCK))] == [("prepare", 2, []), ("base", 1, [])]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["prepare"].update(cmd="python"), ["cmd differs"]),
        (lambda s: s["prepare"]["params"]["params.yaml"]["prepare"].update(decimals=2), ["params differs"]),
        (lambda s: s["prepare"]["deps"][0].update(md5="ee"), ["read data/raw/train.json: aa committed, ee now"]),
        (lambda s: s["prepare"]["outs"][1].update(md5="ee"), ["wrote metrics/prepare.json: cc committed, ee now"]),
        (lambda s: s["prepare"]["outs"].pop(), ["wrote metrics/prepare.json: cc committed, nothing now"]),
        (
            lambda s: s["prepare"]["outs"].append({"path": "x", "md5": "ee"}),
            ["wrote x: nothing committed, ee now"],
        ),
        (lambda s: s.pop("prepare"), ["is missing in the new run"]),
    ],
)  # fmt: skip
def test_a_difference_is_said(change, said):
    again = copy.deepcopy(LOCK)
    change(again["stages"])
    found = {one.stage: one.differences for one in compare(LOCK, again)}
    assert found == {"prepare": said, "base": []}


def test_a_stage_that_is_new_is_said():
    again = copy.deepcopy(LOCK)
    del again["stages"]["base"]["outs"][0]["nfiles"]  # not a hash: of no account
    again["stages"]["export"] = {"cmd": "x"}
    assert [(one.stage, one.differences) for one in compare(LOCK, again)][2:] == [
        ("export", ["is missing in the committed lock"])
    ]


@pytest.mark.parametrize("words", [("--cores", "0"), ("--keep", "stages")])
def test_what_cannot_be_is_one_line(stage, words):
    done = stage("verify", *words)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
