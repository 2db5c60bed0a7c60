"""What CONTRIBUTING.md shows, done in a copy: its own lines of code, and what must then work."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.scoring.metrics import METRICS
from tests.scores import nothing_else
from tests.stages.test_evaluate import ABOUT, perfect, reading

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def copy(tmp_path) -> Path:
    """The code in a folder of its own."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("abacus", "stages", "tests", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "pyproject.toml"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def shown(heading: str) -> list[str]:
    """The blocks of Python below a heading."""
    (section,) = (part for part in TEXT.split("\n## ") if part.startswith(heading))
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that is there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(folder: Path, *words: object) -> str:
    """Run a module in the copy; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_a_category_is_one_row(copy, write_lines):
    (row,) = shown("Add a category")
    row = row.strip().removeprefix("(").removesuffix(")")
    edit(
        copy / "abacus/problems/categories.py",
        '\n    Category(\n        name="area"',
        f'\n{row}    Category(\n        name="area"',
    )
    passed = run(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/problems", "-k", "perimeter")
    assert int(re.search(r"(\d+) passed", passed)[1]) > 5
    write_lines(copy / "rows.jsonl", {"problem": "一个长方形的长为 3 厘米，宽为 4 厘米，请计算其周长。"})
    said = json.loads(run(copy, "abacus", "workings", "RAW=rows.jsonl", "WORKINGS=exact"))
    assert said["solution"] == "计算过程：2 * (3 + 4) = 14"
    edit(copy / "params.yaml", "  scale: 1\n", "  scale: 0.001\n")
    edit(copy / "params.yaml", "  train_size: 100000", "  train_size: 400")
    edit(copy / "params.yaml", "  test_size: 2000", "  test_size: 40")
    run(copy, "stages.synthesize", "--out", "raw.json")
    outs = [
        word
        for name in ("train", "test", "rejected", "metrics", "categories")
        for word in (f"--{name}", name)
    ]
    run(copy, "stages.prepare", "--raw", "raw.json", *outs)
    with (copy / "categories").open(encoding="utf-8", newline="") as file:
        rows = {row["category"]: row for row in csv.DictReader(file)}
    assert int(rows["perimeter"]["verified"]) > 0


def test_a_recipe_is_one_module_and_one_key(copy, write_lines):
    module, writers = shown("Add a workings recipe")
    (copy / "abacus/problems/steps.py").write_text(module, encoding="utf-8")
    table = copy / "abacus/problems/categories.py"
    (key,) = (line for line in writers.splitlines() if '"steps"' in line)
    text = table.read_text(encoding="utf-8").replace(
        "from abacus.problems.operands", "from abacus.problems import steps\nfrom abacus.problems.operands", 1
    )
    before, name, after = text.partition('name="area"')
    table.write_text(before + name + after.replace("writers={", "writers={\n" + key, 1), encoding="utf-8")
    write_lines(
        copy / "rows.jsonl",
        {"problem": "一个长方形的长为 3 厘米，宽为 4 厘米，请计算其面积。"},
        {"problem": "计算 4.00 的平方根？"},
    )
    said = run(copy, "abacus", "workings", "RAW=rows.jsonl", "WORKINGS=steps").splitlines()
    assert [json.loads(line)["solution"] for line in said] == [
        "计算过程：面积等于长乘宽，3 * 4 = 12",
        "计算过程：√4.00 = 2",
    ]
    edit(copy / "params.yaml", "  workings: reference", "  workings: steps")
    assert run(copy, "abacus", "workings", "RAW=rows.jsonl").splitlines() == said


@pytest.mark.slow
def test_a_metric_is_one_module_and_one_row(copy, write_lines):
    module, row = shown("Add a metric")
    (copy / "abacus/scoring/brevity.py").write_text(module, encoding="utf-8")
    table = copy / "abacus/scoring/metrics.py"
    edit(table, "import mindformers_f1, squad_f1", "import brevity, mindformers_f1, squad_f1")
    edit(table, "METRICS = (\n", f"METRICS = (\n{row.rstrip()},\n")
    for number in (0, 1):
        folder = copy / "predictions" / str(number)
        folder.mkdir(parents=True)
        (folder / "about.json").write_text(json.dumps(ABOUT), encoding="utf-8")
        write_lines(folder / "math.jsonl", *perfect("reference", 4))
        write_lines(folder / "squad.jsonl", reading("Denver", "Denver"), reading("Rome", "Rome"))
        run(copy, "stages.evaluate", "--predictions", folder, "--out", copy / f"metrics/{number}.json",
            "--categories", copy / f"categories/{number}.csv",
            "--answers", copy / f"answers/{number}.csv")  # fmt: skip
    found = json.loads((copy / "metrics/1.json").read_text(encoding="utf-8"))
    known = {name for metric in METRICS for name in (metric.name, *metric.bounds)}
    assert found.keys() - known == {"squad_characters", "reading_prompt"}
    assert found["squad_characters"] == 5
    edit(copy / "params.yaml", "checkpoints: [0, 1, 2, 3, 4, 5]", "checkpoints: [0, 1]")
    run(copy, "stages.report", "--metrics", "metrics", "--answers", "answers", "--predictions",
        "predictions", "--summary", "summary.json", "--table", "table.csv", "--page", "page.html",
        *nothing_else(copy))  # fmt: skip
    with (copy / "table.csv").open(encoding="utf-8", newline="") as file:
        assert [row["squad_characters"] for row in csv.DictReader(file)] == ["5.0", "5.0"]


def test_a_command_is_one_file(copy, write_lines):
    (command,) = shown("Add a command")
    (copy / "abacus/commands/count.py").write_text(command, encoding="utf-8")
    write_lines(copy / "rows.jsonl", {"problem": "a", "solution": "b"}, {"problem": "c", "solution": "d"})
    assert run(copy, "abacus", "count", "RAW=rows.jsonl") == "2\n"
    assert "make count RAW=rows.jsonl" in run(copy, "abacus", "--help")
