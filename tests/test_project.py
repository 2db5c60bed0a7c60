"""What others meet first: the files around the code say what is there, and the package can be installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import vl_convert
import yaml

from tests.workspace import ROOT, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def text(name: str) -> str:
    """A file of the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version_stands_everywhere():
    assert yaml.safe_load(text("CITATION.cff"))["version"] == PROJECT["version"]
    assert f"\n## {PROJECT['version']}\n" in text("CHANGELOG.md")
    assert yaml.safe_load(text("CITATION.cff"))["license"] == PROJECT["license"] == "Apache-2.0"


def test_the_notice_names_every_package_that_a_model_comes_out_of():
    profiles = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "profiles").glob("*.yaml"))
    names = set(re.findall(r"requirement: ([\w-]+)==", profiles))
    assert len(names) > 1
    assert [name for name in names if name not in text("NOTICE")] == []
    assert all(name in text("NOTICE") for name in ("SmolLM2", "CC BY-SA 4.0", "Generated data"))


def test_the_notice_names_what_the_report_embeds():
    """Every package that the bundle of vl-convert-python is made of, by name or with those of its author."""
    (library,) = Path(vl_convert.__file__).parent.glob("*.so")
    found = re.findall(rb"npm/((?:@[\w-]+/)?[\w.-]+)@[\d.]+/\+esm", library.read_bytes())
    names = {re.sub("^(vega|d3)-(?!lite|embed).*", r"\1-*", name.decode()) for name in found}
    assert {"vega", "vega-*", "d3-*"} < names
    assert [name for name in names if name not in text("NOTICE").lower()] == []


@pytest.mark.parametrize("name", [n for n in tracked() if n.endswith(".md") and not n.startswith("docs/")])
def test_a_link_of_a_document_leads_to_a_file(name):
    """Those of docs/ are held by the site's strict build."""
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text(name)) + re.findall(
        r'(?:src|href)="([^":]+)"', text(name)
    )
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_continuous_integration_runs_the_one_script_and_keeps_environment_and_wheel():
    steps = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    kept = {step["with"]["path"]: step["with"]["key"] for step in steps if "cache@" in step.get("uses", "")}
    assert kept.keys() == {".venv", ".cache/wheels"}
    named = set(re.findall(r"'([\w./*]+)'", " ".join(kept.values())))
    assert named and all(list(ROOT.glob(name)) for name in named), (
        "a key of files that are not there never changes"
    )


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem
)
def test_an_issue_form_has_what_forms_need(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    assert all(part["type"] == "textarea" and part["attributes"]["label"] for part in form["body"])
    assert len({part["id"] for part in form["body"]}) == len(form["body"])


def test_the_container_has_what_the_readme_asks_for_and_copies_what_is_there():
    installed = re.search(r"apt-get install (.+?) &&", DOCKERFILE)[1].split()
    assert {"git", "libgomp1", "make", "python3.11", "python3.11-venv"} <= set(installed)
    assert all(f"`{name}`" in text("README.md") for name in ("python3.11-venv", "libgomp1"))
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE)
    assert "environment" in copied and all((ROOT / name).exists() for name in copied)
    script = re.search(r"^RUN python3\.11 (\S+) --test$", DOCKERFILE, re.MULTILINE)[1]
    assert (ROOT / script).is_file()
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert container["build"]["target"] in stages
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    assert script in container["postCreateCommand"]


def test_what_the_pipeline_makes_is_not_copied_into_the_container():
    patterns = {
        line.strip("/") for line in text(".dockerignore").splitlines() if line and line[0] not in "#!"
    }
    missing = [
        line
        for line in map(str.strip, text(".gitignore").splitlines())
        if line.startswith("/")
        and not any(
            Path(line.strip("/")).match(one) or line.strip("/").startswith(f"{one}/") for one in patterns
        )
    ]
    # What `make squad` and `make published` fetch is small or asked for.
    assert [line for line in missing if not re.match(r"/data/(squad|published)/", line)] == []


@pytest.mark.slow
def test_the_wheel_has_all_code_and_its_command_starts_elsewhere(tmp_path):
    """Built without a network; installed beside this environment's packages."""
    source, place = tmp_path / "source", tmp_path / "venv"
    code = [name for name in tracked() if name.startswith(("abacus/", "stages/"))]
    for name in [*code, "pyproject.toml", *PROJECT["license-files"], PROJECT["readme"]]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert set(code) <= set(held)
    assert {name.split("/")[0] for name in held} == {
        "abacus",
        "stages",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        place / "bin/python",
        "install",
        "--no-deps",
        "--no-index",
        wheel,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    (site,) = place.glob("lib/python*/site-packages")
    (others,) = (path for path in sys.path if path.endswith("site-packages"))
    (site / "others.pth").write_text(others + "\n", encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for words in (
        ["abacus", "--help"],
        ["abacus", "plan", "--help"],
        ["python", "-m", "stages.prepare", "--help"],
    ):
        command = [place / "bin" / words[0], *words[1:]]
        done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert "make plan" in done.stdout or "usage" in done.stdout
