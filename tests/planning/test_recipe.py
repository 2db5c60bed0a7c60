"""Recipes are laid over params.yaml for a plan, and the one that is shipped is one that the pipeline takes."""

import re
import shlex

import pytest
import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH, section
from abacus.data.selection import Prepare
from abacus.inference.answering import Predict
from abacus.pipeline.judge import check_mix, check_sizes
from abacus.planning import limits, recipe
from abacus.profile import load
from abacus.synthesis.rows import Synthesize, different
from benchmarks import ratio
from tests.workspace import ROOT

DOCUMENT = (ROOT / "docs/llama3-8b.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", recipe.names(ROOT / recipe.RECIPES))
def test_every_recipe_is_one_that_the_pipeline_takes(name):
    with recipe.laid_over(name, ROOT / PATH, ROOT / recipe.RECIPES) as params:
        taken, source = section("prepare", Prepare, params), section("synthesize", Synthesize, params)
        check_sizes(taken, different(source.scale), "rows", params)
        check_mix(taken, source.scale, params)
        section("predict", Predict, params)
        limits.check(load.profile(load.chosen(params)))
    assert not params.exists()


def test_a_recipe_changes_what_it_names(tmp_path):
    (tmp_path / "mine.yaml").write_text("profile: tiny\nprepare: {mix: {mean: 1}}\n", encoding="utf-8")
    with recipe.laid_over("mine", ROOT / PATH, tmp_path) as params:
        found = yaml.safe_load(params.read_text(encoding="utf-8"))
    before = yaml.safe_load((ROOT / PATH).read_text(encoding="utf-8"))
    assert found == before | {"profile": "tiny", "prepare": before["prepare"] | {"mix": {"mean": 1}}}


@pytest.mark.parametrize(
    ("text", "key"), [("prepare: {mixx: balanced}", "prepare.mixx"), ("profil: tiny", "profil")]
)
def test_a_key_that_params_has_not_is_named(tmp_path, text, key):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error, recipe.laid_over("mine", ROOT / PATH, tmp_path):
        pass
    assert str(error.value) == f"{tmp_path / 'mine.yaml'}: {key} is not a key of {ROOT / PATH}"
    with pytest.raises(InputError, match="recipe 'yours' does not exist, expected one of: mine"):
        recipe.laid_over("yours", ROOT / PATH, tmp_path).__enter__()


def test_the_line_for_dvc_is_the_recipe():
    """Each value as DVC reads it after `-S`."""
    (line,) = re.findall(r"^\$ (dvc exp run .*)$", DOCUMENT, re.MULTILINE)
    said = [word.partition("=") for word in shlex.split(line) if "=" in word]
    found = {key: yaml.safe_load(value) for key, _, value in said}
    wanted = {}
    for key, value in read_yaml(ROOT / recipe.RECIPES / "llama3-8b-stepwise.yaml").items():
        wanted |= (
            {f"{key}.{inner}": one for inner, one in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    assert found == wanted


def test_the_table_of_lora_s_size_is_what_the_command_prints():
    lines = DOCUMENT.partition("<!-- ratio -->")[2].partition("<!-- /ratio -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [[str(cell) for cell in row] for row in ratio.rows("llama3-8b", ratio.BEST)]
    by_name = {(row[0], row[1]): row for row in cells}
    assert by_name["q, v", "8"][3] == "0.000424", "the reference's"
    assert by_name["q, v", "128"][5] == "71.61", "the best public run's accuracy, to the digit"
