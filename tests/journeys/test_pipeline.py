"""The pipeline file: its deps, its commands, and the whole chain with the tiny profile."""

import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from abacus.pipeline.mend import mend
from tests.clones import Clone
from tests.clones import shared as share_clone
from tests.workspace import PATH, ROOT, dvc, ran, small_clone, write_params

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
NUMBERS = range(3)  # of the checkpoints
SCORING = (
    *(
        "arithmetic",
        "checkpoint",
        "graded",
        "intervals",
        "metrics",
        "mindformers_f1",
        "questions",
        "squad_f1",
    ),
    *("summary", "tables", "written"),
)
STARTED = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("stages", "abacus/commands")
    for path in (ROOT / folder).glob("[a-z]*.py")
)
FILES = ("data/train-v2.json", "data/train-v2.mindrecord", "data/base", "checkpoints", "data/predictions/2")
PROFILE = Path("data/profile")
JUDGED = "judged.txt"
MOST = 8  # entries of code among a stage's deps


def imported(module: Path, seen: set[Path]) -> set[Path]:
    """Return every file of `abacus` that a module imports, at any depth, and itself."""
    if module in seen:
        return seen
    seen.add(module)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = ROOT / (name.replace(".", "/") + ".py")
            if name.startswith("abacus.") and path.is_file():
                imported(path, seen)
    return seen


def code(name: str) -> set[str]:
    """The files and packages of code among a stage's deps."""
    return {dep for dep in STAGES[name]["deps"] if re.match(r"(stages|abacus)\b", dep)}


def profile_files(name: str) -> set[str]:
    """The files of data/profile among a stage's deps."""
    return {Path(dep).name for dep in STAGES[name]["deps"] if Path(dep).parent == PROFILE}


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_packages_that_a_stage_imports(name):
    module = ROOT / re.search(r"python -m (stages\.\w+)", STAGES[name]["cmd"])[1].replace(".", "/")
    files = {str(path.relative_to(ROOT)) for path in imported(module.with_suffix(".py"), set())}
    deps = code(name)
    uncovered = {file for file in files if not any(file == d or file.startswith(f"{d}/") for d in deps)}
    assert not uncovered, "the stage would not re-run when these change"
    idle = {d for d in deps if not any(file == d or file.startswith(f"{d}/") for file in files)}
    assert not idle, "the stage would re-run for nothing when these change"
    assert f"stages/{name}.py" in deps and len(deps) <= MOST


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_reads_the_profile_or_waits_for_its_judgement(name):
    reads = str(PROFILE) in STAGES[name]["cmd"] and name != "configure"
    named = profile_files(name)
    assert (JUDGED not in named and len(named) > 0) if reads else named <= {JUDGED}


def test_no_stage_and_no_command_imports_a_framework_to_start():
    """All in one process, one after another: what the first one imports is the first one's."""
    script = (
        "import importlib, json, sys\n"
        "heavy = ('mindspore', 'mindformers', 'torch', 'transformers', 'dvc', 'botocore', 'jieba', 'scipy')\n"
        "def after(name):\n"
        "    importlib.import_module(name)\n"
        "    return [module for module in heavy if module in sys.modules]\n"
        "print(json.dumps({name: after(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *STARTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {name: [] for name in STARTED}
    assert len(STARTED) > 25


def test_the_page_of_design_lists_the_stages_as_the_pipeline_describes_them():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE))
    assert {name: table.get(name) for name in STAGES} == {n: s["desc"] for n, s in STAGES.items()}


def test_no_output_is_in_git():
    outs = [out for stage in STAGES.values() for out in stage.get("outs", [])]
    outs = [re.sub(r"\$\{item\.\w+\}", "x", out) for out in outs]
    done = subprocess.run(["git", "check-ignore", *outs], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == outs, "every output has its line in .gitignore before the first run"


def test_git_has_no_link():
    """One of a machine's own would take the place of a folder in every clone."""
    staged = subprocess.run(
        ["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line for line in staged.stdout.splitlines() if line.startswith("120000")] == []


# The whole chain. A clone of the working tree, a thousandth of the data, a model of bytes.


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with small parameters, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("clone")
    params = small_clone(folder)
    said = dvc(folder, "repro")
    return folder, params, said


def test_whole_pipeline_runs(clone):
    folder, _, said = clone
    names = {"configure", "synthesize", "prepare", "converse", "base", "mindrecord", "finetune", "report"}
    names |= every("predict") | every("evaluate")
    assert ran(said) == names
    assert all((folder / file).exists() for file in FILES)
    metrics = [json.loads((folder / f"metrics/checkpoints/{n}.json").read_text()) for n in NUMBERS]
    assert [m["step"] for m in metrics] == [0, 2, 4]
    assert all(m["math_problems"] == 14 and m["squad_questions"] == 6 for m in metrics)
    assert metrics[0]["math_nll"] != metrics[2]["math_nll"], "training changed nothing"
    summary = json.loads((folder / "metrics/summary.json").read_text())
    assert summary["trainable_parameters"] > 0


def test_every_metric_is_shown(clone):
    folder, _, _ = clone
    shown = json.loads(dvc(folder, "metrics", "show", "--json"))[""]["data"]
    assert {f"metrics/checkpoints/{n}.json" for n in NUMBERS} <= set(shown)
    plots = json.loads(dvc(folder, "plots", "show", "--json"))
    assert {"math accuracy", "reading comprehension", "training loss", "learning rate"} <= set(plots["data"])


def test_a_second_run_does_nothing(clone):
    folder, _, _ = clone
    assert ran(dvc(folder, "repro")) == set()
    assert json.loads(dvc(folder, "status", "--json")) == {}


def test_half_a_lock_costs_no_run(clone):
    """A DVC that was killed while it wrote: what it had made comes out of its run cache, and the lock is as it was."""
    folder, _, _ = clone
    lock = (folder / "dvc.lock").read_text(encoding="utf-8")
    half = lock.index("md5:", lock.index("\n  finetune:")) + 2
    (folder / "dvc.lock").write_text(lock[:half], encoding="utf-8")
    assert len(mend(folder)) == 1
    said = dvc(folder, "repro", "report")
    assert ran(said) == set()
    assert "Stage 'finetune' is cached - skipping run" in said
    after = (folder / "dvc.lock").read_text(encoding="utf-8")
    assert yaml.safe_load(after) == yaml.safe_load(lock)


@pytest.mark.slow
def test_verify_finds_the_one_file_that_is_not_as_committed(clone):
    """All stages run again in a clone of this clone, on one core; one hash of the committed lock is false."""
    folder, _, said = clone
    lock = (folder / "dvc.lock").read_text(encoding="utf-8")
    entries = yaml.safe_load(lock)["stages"]["evaluate@2"]["outs"]
    true = next(out["md5"] for out in entries if out["path"] == "metrics/checkpoints/2.json")
    assert lock.count(true) == 1
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qam"]
    subprocess.run([*commit, "all"], cwd=folder, check=True)
    (folder / "dvc.lock").write_text(lock.replace(true, "0" * 32), encoding="utf-8")
    subprocess.run([*commit, "a false hash"], cwd=folder, check=True)
    command = [sys.executable, "-m", "abacus", "verify", "CORES=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    (folder / "dvc.lock").write_text(lock, encoding="utf-8")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    said_of = re.findall(r"(?m)^(\S+) +(same|differs) +\d+ outputs$", done.stdout)
    assert {name for name, _ in said_of} == ran(said)
    differing = [name for name, how in said_of if how == "differs"]
    # `report` reads that file.
    assert differing[0] == "evaluate@2"
    assert set(differing) <= {"evaluate@2", "report"}
    assert (
        done.stdout.splitlines()[-1]
        == f"{len(ran(said)) - len(differing)} of {len(ran(said))} stages are as committed, byte for byte"
    )


def test_a_second_machine_gets_the_same_workspace_by_pulling(clone, s3, tmp_path):
    folder, _, _ = clone
    here = share_clone(Clone(folder), s3)
    here.ok("push")
    there = here.fresh(tmp_path / "there")
    there.ok("pull")
    assert ran(there.ok("dvc", "repro")) == set()
    assert json.loads(there.ok("dvc", "status", "--json")) == {}
    shown = [json.loads(machine.ok("dvc", "metrics", "show", "--json")) for machine in (here, there)]
    assert shown[0] == shown[1]
    assert set(there.files()) - set(here.files()) == set()


@pytest.mark.slow
def test_a_stage_starts_from_another_file_than_the_stage_before_it(clone):
    folder, params, _ = clone
    published = folder / "data/published"
    for key, names, stage, before in (
        ("train", ["train-v2.json"], "converse", "prepare"),
        ("conversations", ["train-v2-conversation.json"], "mindrecord", "converse"),
        ("mindrecord", ["train-v2.mindrecord", "train-v2.mindrecord.db"], "finetune", "mindrecord"),
    ):
        published.mkdir(exist_ok=True)
        for name in names:
            shutil.copyfile(folder / "data" / name, published / name)
        own = params["inputs"][key]
        params["inputs"][key] = f"data/published/{names[0]}"
        write_params(folder, params)
        dvc(folder, "add", *(f"data/published/{name}" for name in names))
        said = dvc(folder, "repro", "--dry", stage)
        assert stage in ran(said), "its input is another file now"
        assert f"stage '{before}'" not in said.lower()
        said = dvc(folder, "repro", stage)
        assert ran(said) == {"configure", stage}
        params["inputs"][key] = own
        write_params(folder, params)
        shutil.rmtree(published)
    assert ran(dvc(folder, "repro")) == set(), "with its own inputs all is as it was"


# What a change of one value or one module re-runs, and what it does not.


@contextlib.contextmanager
def edited(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    """Change a file's text; put it back afterwards."""
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def every(stage: str) -> set[str]:
    """The names of a stage that there is one of for each checkpoint."""
    return {f"{stage}@{n}" for n in NUMBERS}


def hashes(folder: Path) -> dict[str, str]:
    """MD5 of every output, by its path, as the last run left it."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def scored(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The stages that changed predictions and metrics have to be followed by."""
    changed = {path for path in after if after[path] != before[path]}
    again = {f"evaluate@{n}" for n in NUMBERS if f"data/predictions/{n}" in changed}
    read = ("checkpoints", "data/predictions/", "metrics/checkpoints/")
    return again | ({"report"} if any(path.startswith(read) for path in changed) else set())


@pytest.mark.slow
def test_a_change_of_decoding_asks_anew_and_does_not_train(clone):
    folder, _, _ = clone
    before = hashes(folder)
    with edited(folder / "profiles/tiny.yaml", lambda text: text.replace("batch_size: 8", "batch_size: 3")):
        again = ran(dvc(folder, "repro"))
        # The page shows how answers are decoded.
        assert again == {"configure", "report"} | every("predict") | scored(before, hashes(folder))
    assert ran(dvc(folder, "repro")) == set() and hashes(folder) == before


@pytest.mark.slow
def test_a_change_of_computing_trains_and_asks_anew_but_converts_nothing(clone):
    folder, _, _ = clone
    before = hashes(folder)
    half = "    compute_dtype: float16"
    with edited(folder / "profiles/tiny.yaml", lambda text: text.replace("    compute_dtype: float32", half)):
        again = ran(dvc(folder, "repro"))
        after = hashes(folder)
    assert again == {"configure", "finetune"} | every("predict") | scored(before, after)
    assert after["checkpoints"] != before["checkpoints"]
    assert ran(dvc(folder, "repro")) == set() and hashes(folder) == before


@pytest.mark.parametrize("name", SCORING)
def test_a_changed_metric_touches_only_the_scores(clone, name):
    folder, _, _ = clone
    assert set(SCORING) == {path.stem for path in (ROOT / "abacus/scoring").glob("[a-z]*.py")}
    named = {stage for stage in STAGES if code(stage) & {"abacus/scoring", "abacus"}}
    # `configure` judges with nearly everything, and what it writes is what others wait for.
    assert {"configure", "evaluate"} <= named and not named & {"base", "mindrecord", "finetune", "predict"}
    with edited(folder / f"abacus/scoring/{name}.py", lambda text: text + "\n# changed\n"):
        changed = set(json.loads(dvc(folder, "status", "--json")))
        assert {stage.split("@")[0] for stage in changed} == named
        assert every("evaluate") <= changed
        if name == SCORING[0]:
            before = hashes(folder)
            again = ran(dvc(folder, "repro"))
            assert again == changed and hashes(folder) == before
    if name == SCORING[0]:
        dvc(folder, "repro")


# The profile's files: each stage gets on with those that it names, and not with fewer.


@contextlib.contextmanager
def only(folder: Path, files: set[str]) -> Iterator[None]:
    """A data/profile that holds only these files, for a while."""
    place, aside = folder / PROFILE, folder / "data/whole-profile"
    place.rename(aside)
    try:
        place.mkdir()
        for name in files:
            shutil.copyfile(aside / name, place / name)
        yield
    finally:
        shutil.rmtree(place)
        aside.rename(place)


def alone(folder: Path, stage: str) -> subprocess.CompletedProcess:
    """Run a stage by its own command, without DVC."""
    words = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"][stage]["cmd"]
    return subprocess.run(
        shlex.split(words),
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "name",
    ["base", "mindrecord", *(pytest.param(n, marks=pytest.mark.slow) for n in ("finetune", "predict@0"))],
)
def test_a_stage_needs_all_the_profile_files_that_it_names_and_no_other(clone, name):
    folder, _, _ = clone
    named = profile_files(name.split("@")[0])
    beside = {"live.yaml"} if name == "finetune" else set()  # how it is seen, on which nothing depends
    for file in sorted(named):
        with only(folder, beside | named - {file}):
            done = alone(folder, name)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"error: {PROFILE / file}: no such file")
    with only(folder, beside | named):
        done = alone(folder, name)
    assert done.returncode == 0, done.stderr
    assert json.loads(dvc(folder, "status", "--json")) == {}, "and what it writes is the same"


def test_a_changed_recipe_reruns_what_depends_on_it(clone):
    folder, params, first = clone
    params["prepare"]["decimals"] = 2
    write_params(folder, params)
    again = ran(dvc(folder, "repro"))
    # `rejected` rows aside, all that comes after `prepare` changes with the workings
    assert again == ran(first) - {"synthesize", "base"}


def test_a_file_of_the_users_own_takes_the_place_of_the_synthetic_one(clone):
    folder, params, _ = clone
    shutil.copyfile(folder / "data/raw/train.json", folder / "data/mine.json")
    dvc(folder, "add", "data/mine.json")
    params["prepare"]["raw"] = "data/mine.json"
    write_params(folder, params)
    said = dvc(folder, "repro", "--dry", "report")
    assert "synthesize" not in said
    assert "prepare" in ran(said)
