"""A grid is read strictly, and its runs differ in nothing but what it says."""

import hashlib
from pathlib import Path

import pytest
import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.experiments import data
from abacus.experiments.budget import Figures, a_step, budget
from abacus.experiments.grid import GRIDS, names, planned, read_grid
from abacus.formats import own
from abacus.pipeline import judge
from abacus.profile import load

GOOD = {
    "question": "which?",
    "profile": "tiny",
    "baseline": "plain",
    "checkpoints": 2,
    "steps": 10,
    "seeds": [1, 2],
    "runs": {"plain": {}, "other": {"params": {"prepare": {"workings": "stepwise"}}}},
}


def plans(tmp_path, **changes):
    """The runs of a grid that is as GOOD but for these keys; None takes one away."""
    document = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return planned(read_grid("mine", tmp_path), path)


@pytest.mark.parametrize("name", names())
def test_every_grid_can_be_run(name, tmp_path):
    grid = read_grid(name)
    found = planned(grid, GRIDS / f"{name}.yaml")
    assert len({plan.name for plan in found}) == len({plan.key for plan in found}) == len(found)
    base, path = read_yaml(load.PROFILES / load.BASE), tmp_path / "params.yaml"
    for plan in found:
        path.write_text(yaml.safe_dump(plan.params), encoding="utf-8")
        judge.judged(load.parsed(load.merge(base, plan.profile), grid.profile, plan.name), path)


def test_the_two_that_a_conclusion_names_have_three_seeds():
    grid = read_grid("recipes")
    assert [run for run in grid.runs if len(grid.seeds_of(run)) >= 3] == ["reference", "short"]


def test_runs_differ_in_what_the_grid_says(tmp_path):
    mix = {"direct:*": 2, "mean": 1}
    change = {"params": {"prepare": {"mix": mix}}, "profile": {"lr_schedule": {"learning_rate": 0.5}}}
    all_of_them = {"params": {"predict": {"math_limit": 14}}}
    found = plans(tmp_path, runs={"plain": {}, "b": change}, more_seeds={"b": [3]}, all=all_of_them)
    assert [plan.name for plan in found] == ["plain-1", "plain-2", "b-1", "b-2", "b-3"]
    plain, last = found[0], found[-1]
    assert last.params["prepare"] == plain.params["prepare"] | {"mix": mix, "seed": 3}
    assert last.params["finetune"] == {"seed": 3, "steps_per_checkpoint": "profile"}
    assert last.params["checkpoints"] == [0, 1, 2] and last.params["predict"]["math_limit"] == 14
    assert (
        last.profile["lr_schedule"]["learning_rate"] == 0.5 != plain.profile["lr_schedule"]["learning_rate"]
    )
    again = plans(tmp_path, runs={"plain": {}, "b": change}, more_seeds={"b": [3]}, all=all_of_them, steps=12)
    assert not {plan.key for plan in again} & {plan.key for plan in found}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": [1]}, "seed is not a known key; did you mean 'seeds'?"),
        ({"steps": None}, "no budget is given, expected one of: trained_tokens, learned_tokens, steps"),
        ({"trained_tokens": 9}, "trained_tokens and steps is given, expected one of"),
        ({"steps": 0}, "steps is 0, expected a whole number from 1"),
        ({"baseline": "plane"}, "baseline names no run: 'plane'; did you mean 'plain'?"),
        ({"profile": "tinny"}, "profile is 'tinny', expected one of"),
        ({"seeds": [1, 1]}, "seeds run 'plain' has a seed twice"),
        ({"seeds": []}, "seeds is a list, expected a list of one number or more"),
        ({"runs": {}}, "runs is a mapping, expected a mapping of runs"),
        ({"runs": {"plain": {}, "A b": {}}}, "a run is called 'A b'"),
        ({"more_seeds": {"plane": [3]}}, "more_seeds names no run: 'plane'"),
        ({"runs": {"plain": {"prepare": {}}}}, "runs.plain.prepare is not a known key; known: params, profile"),
        ({"runs": {"plain": {"params": {"prepare": {"workins": 1}}}}},
         "runs.plain.params.prepare.workins is not a known key; did you mean 'prepare.workings'?"),
        ({"runs": {"plain": {"params": {"prepare": {"seed": 1}}}}},
         "runs.plain.params.prepare.seed is given, expected it once, for all runs, by the grid"),
        ({"all": {"params": {"profile": "tiny"}}}, "all.params.profile is given"),
        ({"runs": {"plain": {"params": {"prepare": 3}}}}, "runs.plain.params.prepare is 3, expected a mapping"),
        ({"runs": {"plain": {"profile": {"lr_schedule": {"learning_rate": -1}}}}},
         "runs.plain.profile: lr_schedule.learning_rate is -1"),
    ],
)  # fmt: skip
def test_a_grid_that_is_wrong(tmp_path, changes, said):
    with pytest.raises(InputError) as error:
        plans(tmp_path, **changes)
    assert said in str(error.value) and "mine.yaml" in str(error.value)


def test_a_grid_that_is_not_there():
    with pytest.raises(
        InputError, match="grid 'recipe' does not exist, expected one of: rates, recipes, sums, tiny"
    ):
        read_grid("recipe")


@pytest.mark.parametrize("name", ["lr.0", "lr 0", "-lr", "größe"])
def test_a_grid_whose_name_can_be_no_files_and_refs(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    with pytest.raises(InputError, match=f"a grid is called '{name}', expected letters, digits, - and _"):
        read_grid(name, tmp_path)


# Three rows of 11 tokens, 5 of them learned, and the same packed into two sequences.
ROWS = Figures(written=30, mean_tokens=11, mean_learned=5)
PACKED = Figures(written=30, mean_tokens=11, mean_learned=5, sequences=10)


def test_tokens_of_a_step():
    assert a_step(ROWS, 4) == (40, 20)
    assert a_step(PACKED, 2) == (60, 30)


@pytest.mark.parametrize("figures", [ROWS, PACKED])
@pytest.mark.parametrize("checkpoints", [1, 3])
@pytest.mark.parametrize("kind", ["trained_tokens", "learned_tokens"])
def test_equal_to_half_a_step_a_checkpoint(figures, checkpoints, kind):
    found = budget(kind, 12_345, figures, 2, checkpoints)
    each = a_step(figures, 2)[kind == "learned_tokens"]
    assert found.steps == found.steps_per_checkpoint * checkpoints
    assert abs(getattr(found, kind) - 12_345) <= each * checkpoints / 2 + 1
    assert (found.trained_tokens, found.learned_tokens) == tuple(found.steps * n for n in a_step(figures, 2))


def test_steps_are_steps_and_less_than_one_is_none():
    assert budget("steps", 30, PACKED, 2, 3)[:2] == (10, 30)
    # A step has 60 tokens, two checkpoints have two: half of that is nearer to none.
    with pytest.raises(
        InputError, match="trained_tokens: is 60, expected at least 61, more than half a step a"
    ):
        budget("trained_tokens", 60, PACKED, 2, 2)
    assert budget("trained_tokens", 61, PACKED, 2, 2).steps == 2


def test_what_no_result_depends_on_makes_no_other_run(tmp_path):
    change = {"params": {"prepare": {"engine": "dask"}}, "profile": {"abacus": {"live": {"dvclive": False}}}}
    (one, *_), (other, *_) = plans(tmp_path), plans(tmp_path, all=change)
    assert one.key == other.key and one.params != other.params and one.profile != other.profile


NAMED = [
    ("prepare", "raw", ""),
    ("predict", "squad", ""),
    ("inputs", "train", ""),
    ("inputs", "conversations", ""),
    ("inputs", "mindrecord", ""),
    ("inputs", "mindrecord", ".db"),  # its index
]


@pytest.mark.parametrize(("section", "name", "end"), NAMED)
def test_a_run_with_other_data_is_another_run(tmp_path, section, name, end):
    params, file = {section: {name: str(tmp_path / "mine")}}, tmp_path / f"mine{end}"

    def key() -> str:
        return plans(tmp_path, all={"params": params})[0].key

    keys = [key()]
    for text in ("one", "two"):
        file.write_text(text, encoding="utf-8")
        keys.append(key())
    assert len(set(keys)) == 3
    # A copy has what DVC holds, so that counts, whether the file is here or not.
    pin = tmp_path / f"mine{end}.dvc"
    for text, md5 in (("one", None), ("gone", "3" * 32)):
        md5 = md5 or hashlib.md5(text.encode()).hexdigest()
        pin.write_text(yaml.safe_dump({"outs": [{"path": file.name, "md5": md5}]}), encoding="utf-8")
        file.unlink(missing_ok=True)
        keys.append(key())
    assert keys[3] == keys[1] and keys[4] not in keys[:4]


def test_a_folder_and_what_dvc_says_of_one_around_a_file(tmp_path):
    inner = tmp_path / "model/part"
    assert data.held(tmp_path / "model") is None
    inner.mkdir(parents=True)
    found = set()
    for name, text in (("a", "1"), ("a", "2"), ("b", "2")):
        (inner / name).write_text(text, encoding="utf-8")
        found.add(data.held(tmp_path / "model"))
    assert len(found) == 3 and None not in found
    pin = {"outs": [{"path": "model", "md5": "5.dir"}]}
    (tmp_path / "model.dvc").write_text(yaml.safe_dump(pin), encoding="utf-8")
    assert data.held(inner / "a") == data.held(tmp_path / "model") == "5.dir"


def test_a_base_model_of_ones_own_is_data():
    grid = read_grid("tiny")
    profile = load.profile("llama3-8b")
    params = planned(grid, GRIDS / "tiny.yaml")[0].params
    assert own.OWN / "llama3-8b" in data.started_from(params, profile, "p")
    assert data.started_from(params, load.profile("tiny"), "p") == [Path(data.EMBEDDED[0])]


def test_the_questions_that_git_has_count_only_if_they_are_others(tmp_path):
    asked = Path(data.EMBEDDED[0])
    assert data.contents([asked], data.held) == {}
    assert data.contents([asked], lambda _: "other") == {str(asked): "other"}
    assert data.contents([tmp_path / "x"], data.held) == {str(tmp_path / "x"): None}
