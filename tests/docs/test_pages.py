"""What single pages say is the code's: errors, keys of profiles, keys of metrics, words of the tutorial's output."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.profile import concerns
from abacus.profile.model import SOURCES, Decode, Finetune, Launch, Live, Packing, Prompt
from tests.docs.commands import lines
from tests.workspace import ROOT

FAQ = (ROOT / "docs/faq.md").read_text(encoding="utf-8")
PROFILES = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
ERRORS = re.findall(r"^### `(.+)`$", FAQ, re.MULTILINE)


@pytest.fixture(scope="module")
def said() -> str:
    """All texts in the code, a line each; a value within one is a `…`, texts side by side are one."""
    found = []
    for path in [
        *(ROOT / "abacus").rglob("*.py"),
        *(ROOT / "stages").glob("*.py"),
        ROOT / "environment/setup.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%\w", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = (str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.append("".join(parts))
    return "\n".join(found)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_of_the_code(said, error):
    """Each piece of it between names, numbers and the words that every error has."""
    pieces = [piece.strip(" :,;`?") for piece in re.split(r"…|, expected ", error)]
    pieces = [piece for piece in pieces if len(piece) > 3]
    assert pieces
    assert [piece for piece in pieces if piece not in said] == []


def test_there_are_errors_and_a_wrong_one_is_seen(said):
    assert len(ERRORS) > 18
    assert "is not an error of this code" not in said


def test_every_key_of_a_profile_has_its_line():
    section = PROFILES.split("\n## The section")[1].split("\n## ")[0]
    named = set(
        re.findall(r"`([a-z_]+\.[a-z_0-9]+)`", "".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)))
    )
    parts = {"prompt": Prompt, "decode": Decode, "finetune": Finetune, "launch": Launch, "live": Live}
    keys = {f"{part}.{key}" for part, model in parts.items() for key in model.model_fields}
    keys |= {f"base.{key}" for model in SOURCES.values() for key in model.model_fields}
    assert named == keys
    assert all(f"{key}:" in section for key in Packing.model_fields)


def test_every_file_of_the_profile_has_its_reader():
    files = set(re.findall(r"`(\w+\.(?:yaml|txt))`", PROFILES.split("\n## Who reads what")[1]))
    names = (concerns.JUDGED, concerns.SOURCE, concerns.ARCHITECTURE, concerns.PROMPT, concerns.DECODE)
    assert files == {str(name) for name in (*names, concerns.COMPUTE, concerns.LIVE, concerns.TRAIN)}


def test_every_profile_is_listed():
    listed = set(re.findall(r"^\| `([\w-]+)` \|", PROFILES.split("\n## ")[0], re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "profiles").glob("*.yaml")} - {"base"}


@pytest.mark.parametrize("name", ["prepare", "mindrecord", "summary"])
def test_every_figure_of_a_run_is_explained(name):
    (section,) = (part for part in METRICS.split("`metrics/") if part.startswith(f"{name}.json`:"))
    explained = set(re.findall(r"`(\w+)`", section))
    ends = [word for word in explained if word.startswith("_")]
    explained |= {name + end for name in explained for end in ends}
    explained |= {f"last_{key}" for key in explained}
    found = json.loads((ROOT / f"metrics/{name}.json").read_text(encoding="utf-8"))
    assert found.keys() - explained == set()


def test_what_the_tutorial_shows_of_a_recipe_is_what_it_writes(tmp_path, stage, write_lines):
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    shown = [json.loads(line) for line in text.splitlines() if line.startswith('{"problem"')]
    assert len(shown) == 6
    rows = write_lines(tmp_path / "rows.jsonl", *({"problem": row["problem"]} for row in shown[:3]))
    for words, expected in (([], shown[:3]), (["DECIMALS=2"], shown[3:])):
        done = stage("workings", f"RAW={rows}", *words)
        assert [json.loads(line) for line in done.stdout.splitlines()] == expected


def test_an_alpaca_file_becomes_rows_as_the_page_says(tmp_path, stage):
    (line,) = (
        one
        for one in lines((ROOT / "docs/from-llama-factory.md").read_text(encoding="utf-8"))
        if "alpaca" in one
    )
    (tmp_path / "data").mkdir()
    alpaca = [{"instruction": "计算 1.00 + 2.00 等于多少？", "input": "", "output": "3"}]
    (tmp_path / "alpaca.json").write_text(json.dumps(alpaca), encoding="utf-8")
    folder = Path(sys.executable).parent
    subprocess.run(["bash", "-c", f'PATH="{folder}:$PATH"; {line}'], cwd=tmp_path, check=True)
    out = tmp_path / "conversations.json"
    assert stage("converse", "--train", tmp_path / "data/mine.json", "--out", out).returncode == 0
    (made,) = json.loads(out.read_text(encoding="utf-8"))
    assert [turn["value"] for turn in made["conversations"]] == [alpaca[0]["instruction"], "3"]
