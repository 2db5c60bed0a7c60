"""Recipes are laid over params.yaml for a plan, and the one that is shipped is one that the pipeline takes."""

import pytest
import yaml

from abacus.core.errors import InputError
from abacus.core.params import PATH, section
from abacus.data.selection import Prepare
from abacus.inference.answering import Predict
from abacus.pipeline.judge import check_mix, check_sizes
from abacus.planning import limits, recipe
from abacus.profile import load
from abacus.synthesis.rows import Synthesize, different
from tests.workspace import ROOT


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
