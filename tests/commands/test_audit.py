"""The audit: what it says of right, wrong, repeated, English and unknown rows, and with which exit code."""

import json

import pytest

from abacus.data.audit import Verdict, audit, judge, summary
from abacus.data.rows import Row, write_rows

RIGHT = Row(1, "计算 5636.97 的平方根？", "√5636.97 = 75.07975759151064280958687335")
WRONG = Row(2, "将分数 6/8 进行简化。", "最简化的形式为：6/8")
ENGLISH = Row(3, "What is $1 + 1$?", r"$\boxed{2}$.")
AGAIN = Row(4, RIGHT.problem, "something else")
UNKNOWN = Row(5, "今天天气很好", "是")
ROWS = [RIGHT, WRONG, ENGLISH, AGAIN, UNKNOWN]


def test_each_row_gets_its_verdict():
    assert list(audit(ROWS)) == [
        Verdict(RIGHT, "verified", "root", RIGHT.solution),
        Verdict(WRONG, "wrong", "fraction", "最简化的形式为：3/4"),
        Verdict(ENGLISH, "english"),
        Verdict(AGAIN, "duplicate", expected="line 1"),
        Verdict(UNKNOWN, "unknown", expected="is of no category"),
    ]


def test_of_repeated_problems_the_first_is_judged_whatever_it_says():
    kinds = [verdict.kind for verdict in audit([Row(1, RIGHT.problem, "wrong"), Row(2, *RIGHT[1:])])]
    assert kinds == ["wrong", "duplicate"]


def test_english_rows_are_compared_too():
    assert [v.kind for v in audit([ENGLISH, ENGLISH._replace(line=9)])] == ["english", "duplicate"]


@pytest.mark.parametrize(
    "solution",
    [
        "√5636.97 = 75.0797575915106428095868733",
        "√5636.97 = 75.079757591510642809586873350",
        "√5636.97 = 75.07975759151064280958687335 ",
        "√5636.97=75.07975759151064280958687335",
        "",
    ],
)
def test_a_solution_is_compared_to_the_character(solution):
    assert judge(RIGHT._replace(solution=solution)).kind == "wrong"


@pytest.mark.parametrize(
    "problem",
    [
        "计算 1.00 / 0.00 等于多少？",
        "计算 0.00 / 0.00 等于多少？",
        "解方程 0x + 1 = 0",
        "计算 -1.00 的平方根？",
    ],
)
def test_a_problem_without_value_is_wrong(problem):
    verdict = judge(Row(1, problem, "0"))
    assert (verdict.kind, verdict.expected) == ("wrong", "no value")


def test_the_summary_counts_and_names_offenders():
    found = summary(audit(ROWS))
    counts = {key: found[key] for key in ("rows", "unique", "english", "verified", "wrong", "unknown")}
    assert counts == {"rows": 5, "unique": 4, "english": 1, "verified": 1, "wrong": 1, "unknown": 1}
    assert found["by_category"]["root"] == {"unique": 1, "verified": 1, "wrong": 0}
    assert found["by_category"]["fraction"] == {"unique": 1, "verified": 0, "wrong": 1}
    assert found["by_category"]["mass"] == {"unique": 0, "verified": 0, "wrong": 0}
    assert found["offenders"] == [
        {"line": 2, "problem": WRONG.problem, "stated": WRONG.solution, "expected": "最简化的形式为：3/4"},
        {
            "line": 5,
            "problem": "今天天气很好",
            "stated": "是",
            "expected": None,
            "reason": "is of no category",
        },
    ]


def test_only_the_first_few_offenders_are_kept():
    found = summary(audit(Row(n, f"你好 {n}", "") for n in range(1, 100)))
    assert (found["unknown"], [o["line"] for o in found["offenders"]]) == (99, [1, 2, 3, 4, 5])


def pairs(rows):
    return ({"problem": row.problem, "solution": row.solution} for row in rows)


def test_the_command_prints_one_object_and_succeeds_on_right_rows(stage, small, tmp_path):
    write_rows(tmp_path / "raw.json", pairs(small))
    done = stage("audit", "--raw", tmp_path / "raw.json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == summary(audit(small))


def test_the_command_fails_and_names_the_offenders(stage, tmp_path):
    path = tmp_path / "raw.json"
    write_rows(path, pairs(ROWS))
    done = stage("audit", "--raw", path)
    assert done.returncode == 1
    assert json.loads(done.stdout) == summary(audit(ROWS))
    assert done.stderr.splitlines()[-2:] == [
        f"{path}, line 2: 将分数 6/8 进行简化。: stated '最简化的形式为：6/8', expected '最简化的形式为：3/4'",
        f"{path}, line 5: the problem is of no category: 今天天气很好",
    ]


def test_the_real_rows_are_right(stage, shared):
    done = stage("audit", "--raw", shared / "rows.jsonl")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verified"], found["english"]) == (0, 26, 2)
