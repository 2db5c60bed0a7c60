"""`abacus/scoring/mindformers_f1.py` against published values and against real predictions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.scoring import mindformers_f1 as em_f1

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("prediction", "reference", "f1"),
    [
        ("15 kilometres (9 miles)", "15 kilometres", 50.0),
        ("Artificial lightning", "lightning", 50.0),
        ("Mercedes-Benz Superdome", "New Orleans' Mercedes-Benz Superdome", 54.54545454545454),
        ("25%", "25", 0.0),
        ("2013", "May 21, 2013", 28.57142857142857),
        ("Orthodox Christianity", "Orthodox Christian", 66.66666666666666),
    ],
)
def test_published_values(prediction, reference, f1):
    assert em_f1.f1(prediction, reference) == f1
    assert em_f1.exact_match(prediction, reference) == 0.0


def test_every_golden_pair(shared):
    lines = (shared / "em_f1_golden.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 500
    for row in rows:
        pair = row["prediction"], row["reference"]
        assert (em_f1.f1(*pair), em_f1.exact_match(*pair)) == (row["f1"], row["em"]), pair


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("  The END ", "the end"),
        ("Mercedes-Benz", "mercedesbenz"),
        ("a-b:c_d*e^f/g\\h~i`j+k=l", "abcdefghijkl"),
        ("，。：？！“”；’《》·、「」（）－～『』", ""),
        ("4,530 (50%).", "4,530 (50%)."),  # ASCII punctuation outside the list stays
        ("……", "……"),  # and so does the ellipsis
        ("end -", "end "),  # stripped before the hyphen goes
    ],
)
def test_normalise(text, normalised):
    assert em_f1.normalise(text) == normalised


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("May 21, 2013", ["may", " ", "21", ",", " ", "2013"]),
        ("北京 Opera", ["北", "京", " ", "opera"]),
        ("郑州-市。", ["郑", "州", "市"]),
    ],
)
def test_tokens(text, tokens):
    assert em_f1.tokens(text) == tokens


def test_a_caller_may_change_the_tokens_it_got():
    em_f1.tokens("one two").clear()
    assert em_f1.tokens("one two") == ["one", " ", "two"]


@pytest.mark.parametrize(
    ("prediction", "reference", "exact_match"),
    [
        ("郑州市。", "郑州市", 100.0),
        ("郑州", "郑州市", 0.0),
        ("the-END", "TheEnd", 100.0),
        ("the end", "end", 0.0),  # unlike SQuAD's
        ("", "", 100.0),
    ],
)
def test_exact_match(prediction, reference, exact_match):
    assert em_f1.exact_match(prediction, reference) == exact_match


@pytest.mark.parametrize(
    ("prediction", "reference", "f1"),
    [
        ("郑州市。", "郑州市", 100.0),
        ("郑州", "郑州市", 80.0),  # run 2, P = 2/2, R = 2/3
        ("人大", "大人", 50.0),  # order counts: run 1, P = R = 1/2
        ("甲乙丙丁", "甲丑丙丁", 50.0),  # the longest run is one piece: 2, not 3
        ("", "six", 0.0),
        ("six", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_f1(prediction, reference, f1):
    assert em_f1.f1(prediction, reference) == f1


def test_jieba_comes_late_and_quietly():
    program = (
        "import sys; from abacus.scoring import mindformers_f1 as em_f1; assert 'jieba' not in sys.modules; "
        "em_f1.exact_match('a', 'b'); assert 'jieba' not in sys.modules; "
        "em_f1.f1('a', 'b'); assert 'jieba' in sys.modules; "
        "assert not {'mindspore', 'mindformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
