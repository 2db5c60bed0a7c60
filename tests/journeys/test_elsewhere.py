"""Nothing outside the clone moves a result, or is needed: home, temporary folder, locale, clock's zone, name, threads."""

import marshal
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from abacus.core.quiet import places
from tests.workspace import ROOT

ROWS = 60
PROBLEM = "计算 6.00 + 1.50 等于多少？"
LOCALES = {"zh_CN": "GBK", "en_US": "ISO-8859-1", "tr_TR": "ISO-8859-9"}


def run(folder: Path, *words: object, **env: str | None) -> subprocess.CompletedProcess:
    """Run a module in a folder; a variable that is None is unset."""
    everything = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        env={name: value for name, value in everything.items() if value is not None},
        capture_output=True,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with params.yaml, the files of the tiny profile, and raw rows."""
    folder = tmp_path_factory.mktemp("plain")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["profile"] = "tiny"
    params["synthesize"]["scale"] = 0.0005
    params["prepare"] |= {"train_size": ROWS, "test_size": 24}
    params["predict"] |= {"math_limit": 14, "squad_limit": 6}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name in ("data/reading", "data/models/tiny"):
        shutil.copytree(ROOT / name, folder / name)
    configure = (
        "--base profiles/base.yaml --profile profiles/tiny.yaml --squad data/reading/reading-v1.1.json"
    )
    for words in (
        f"stages.configure {configure} --out data/profile",
        "stages.synthesize --out raw.json",
        "stages.base --profile data/profile --source none --out base",
    ):
        done = run(folder, *words.split())
        assert done.returncode == 0, done.stderr
    answers = folder / "answers"
    answers.mkdir()
    common = '"prompt_tokens": 9, "completion_tokens": 3, "reference_tokens": 2, "reference_nll": 1.25, "ended": true'
    (answers / "about.json").write_text(
        '{"step": 0, "trainable_parameters": 0, "base_parameters": 9, "min_new_tokens": 1,'
        ' "squad": "x", "template": "trained"}',
        encoding="utf-8",
    )
    (answers / "math.jsonl").write_text(
        f'{{"question": "{PROBLEM}", "reference": "7.50", "completion": "6.00 + 1.50 = 7.5", {common}}}\n',
        encoding="utf-8",
    )
    (answers / "squad.jsonl").write_text(
        '{"id": "1", "question": "Who?", "reference": "hello world café 3.14", "references": ["hello world"],'
        f' "completion": "world café 3.14 hello", {common}}}\n',
        encoding="utf-8",
    )
    return folder


STAGES = {
    "prepare": "--raw raw.json --train {0}/train.json --test {0}/test.jsonl --rejected {0}/no.jsonl"
    " --metrics {0}/p.json --categories {0}/p.csv",
    "converse": "--train {0}/train.json --out {0}/turns.json",
    "mindrecord": "--profile data/profile --base base --conversations {0}/turns.json --out {0}/rows.mindrecord"
    " --metrics {0}/m.json --test {0}/test.jsonl --squad data/reading/reading-v1.1.json",
    "evaluate": "--predictions answers --out {0}/e.json --categories {0}/e.csv --answers {0}/each.csv",
}


def outputs(place: Path, name: str, **env: str | None) -> dict[str, bytes]:
    """What the stages write in an environment, by name."""
    for stage, words in STAGES.items():
        done = run(place, f"stages.{stage}", *words.format(name).split(), **env)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode()
    return {path.name: path.read_bytes() for path in sorted((place / name).iterdir())}


@pytest.fixture(scope="module")
def locales(tmp_path_factory) -> Path:
    """A folder of locales that no machine is sure to have."""
    if not shutil.which("localedef"):
        pytest.skip("there is no localedef here")
    folder = tmp_path_factory.mktemp("locales")
    for language, encoding in LOCALES.items():
        subprocess.run(
            ["localedef", "-i", language, "-f", encoding, str(folder / f"{language}.{encoding}")],
            capture_output=True,
        )
    made = {path.name for path in folder.iterdir()}
    if made != {f"{language}.{encoding}" for language, encoding in LOCALES.items()}:
        pytest.skip("localedef has not the definitions")
    return folder


def test_hostile_surroundings_give_the_same_bytes(place, locales, tmp_path):
    plain = outputs(place, "plain")
    assert len(plain) == 12
    shutil.rmtree(place / "logs")
    poisoned = tmp_path / "shared"
    poisoned.mkdir()
    (poisoned / "jieba.cache").write_bytes(marshal.dumps(({"hello world": 10**9, "3": 0, "3.14": 0}, 10**9)))
    before = (poisoned / "jieba.cache").read_bytes()
    hostile = {
        "TMPDIR": str(poisoned), "HOME": "/nonexistent", "LOCPATH": str(locales), "LC_ALL": "tr_TR.ISO-8859-9",
        "LANG": "zh_CN.GBK", "TZ": "Pacific/Kiritimati", "USER": "nobody else", "LOGNAME": None,
        "OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "12345", "PYTHONUTF8": "0",
        "LOCAL_DEFAULT_PATH": None, "LOG_MF_PATH": None,
    }  # fmt: skip
    assert outputs(place, "hostile", **hostile) == plain
    assert [path.name for path in poisoned.iterdir()] == ["jieba.cache"]
    assert (poisoned / "jieba.cache").read_bytes() == before
    assert {path.name for path in place.iterdir()} >= {"logs"}, "the log is in the clone"


def test_the_poison_would_have_been_one(place, tmp_path, monkeypatch):
    """With jieba's own way to its dictionary the cache above moves the tokens."""
    words = {"hello world": 10**9, "3": 0, "3.14": 0}
    (tmp_path / "jieba.cache").write_bytes(marshal.dumps((words, 10**9)))
    say = "import jieba; jieba.setLogLevel(60); print(jieba.lcut('hello world café 3.14'), jieba.dt.total)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", say], env={**os.environ, "TMPDIR": str(tmp_path)},
                          capture_output=True)  # fmt: skip
    assert done.stdout.split()[-1] == b"1000000000", done.stderr


@pytest.mark.parametrize("language", [*LOCALES, "C", "POSIX"])
def test_what_is_printed_is_utf8_in_any_locale(place, locales, tmp_path, language):
    name = f"{language}.{LOCALES[language]}" if language in LOCALES else language
    env = {"LOCPATH": str(locales), "LC_ALL": name, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    rows = tmp_path / "输入.jsonl"
    rows.write_text(f'{{"problem": "{PROBLEM}", "solution": "6.00 + 1.50 = 7.50"}}\n', encoding="utf-8")
    done = run(place, "abacus", "workings", f"RAW={rows}", "WORKINGS=exact", **env)
    assert done.returncode == 0, done.stderr
    assert PROBLEM in done.stdout.decode("utf-8")
    again = tmp_path / "again.jsonl"
    again.write_bytes(done.stdout)
    done = run(place, "abacus", "audit", f"RAW={again}", **env)
    # A working is no published answer: the row is read, and named as it stands.
    assert f"line 1: {PROBLEM[:6]}" in done.stderr.decode("utf-8")
    assert b"Traceback" not in done.stderr
    done = run(place, "abacus", "audit", f"RAW={tmp_path / '没有.jsonl'}", **env)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    done.stderr.decode("utf-8")


@pytest.mark.parametrize("words", [("audit", b"RAW=\xff\xfe.jsonl"), ("audit", b"\xff=1"), (b"\xff",)])
def test_an_argument_that_is_no_text_is_one_line(place, words):
    done = subprocess.run(
        [sys.executable, "-m", "abacus", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.returncode in (1, 2)
    assert done.stderr.decode("utf-8").count("\n") == 1


HOME = """
import os, sys
from pathlib import Path
from abacus.core.process import run
from abacus.core.quiet import framework_log
def main():
    with framework_log(Path("logs/a.log")) as screen:
        from mindpet.log import log
        log.get_logger("x").info("said")
        {then}
        print("inside", os.environ["HOME"], file=screen)
    print("after", os.environ.get("HOME"), file=sys.stderr)
run(main)
"""


def in_home(folder: Path, then: str = "pass", **env: str | None) -> subprocess.CompletedProcess:
    everything = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        [sys.executable, "-c", HOME.format(then=then)],
        cwd=folder,
        env={name: value for name, value in everything.items() if value is not None},
        capture_output=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize("home", [None, "", "/nonexistent", "/proc"])
def test_a_library_that_insists_on_a_home_has_one_in_the_clone(tmp_path, home):
    done = in_home(tmp_path, HOME=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"inside {tmp_path}/logs/mindformers/home-{os.geteuid()}\nafter {home}\n"
    assert list((tmp_path / "logs").rglob("mxTuningKit"))


def test_a_library_that_ends_the_process_is_an_error_like_any(tmp_path):
    done = in_home(tmp_path, "sys.exit(0)")
    assert done.returncode == 1
    assert re.fullmatch(r"error: a library ended the process with 0; why: logs/a\.log\n", done.stderr)
    assert "SystemExit" in (tmp_path / "logs/a.log").read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_home_of_a_clone_that_was_given_to_somebody_else(tmp_path):
    home = Path(places(tmp_path)["HOME"])
    os.chown(home, 65534, 65534)
    assert Path(places(tmp_path)["HOME"]).stat().st_uid == os.geteuid()
