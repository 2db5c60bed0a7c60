"""Check params.yaml and the profile that it names, before any stage runs.

python -m stages.check [--profile NAME]

DVC removes a stage's old outputs before it runs the stage: a wrong parameter is better found earlier.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.command import InputError, run
from stages.finetune import Finetune
from stages.model import config, limits
from stages.params import PATH, read_yaml, section
from stages.predict import Predict
from stages.prepare import Prepare
from stages.problems.categories import CATEGORIES
from stages.squad import PLACE
from stages.synthesize import Synthesize


@dataclass(frozen=True)
class Inputs:
    """Section `inputs`: what a stage starts from, if not from the stage before it."""

    train: str
    conversations: str
    mindrecord: str


OWN = Inputs("data/train-v2.json", "data/train-v2-conversation.json", "data/train-v2.mindrecord")
MODELS = Path("data/models")  # base models of one's own, by profile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", help="another one than params.yaml chooses")
    name = parser.parse_args().profile or config.chosen()
    params = read_yaml(PATH)
    synthetic = params.get("synthetic")
    if not isinstance(synthetic, list) or not all(isinstance(name, str) for name in synthetic):
        raise InputError(
            f"{PATH}: synthetic is {synthetic!r}, expected a list of names, such as [train] or []"
        )
    inputs(section("inputs", Inputs))
    section("synthesize", Synthesize)
    section("finetune", Finetune)
    recipe = section("prepare", Prepare)
    raw = recipe.raw
    if raw not in {f"data/raw/{name}.json" for name in synthetic} and not Path(raw).is_file():
        raise InputError(f"{PATH}: prepare.raw: {raw}: no such file")
    asked = section("predict", Predict)
    kinds = len(CATEGORIES)
    if asked.math_limit < min(kinds, recipe.test_size):
        raise InputError(
            f"{PATH}: predict.math_limit is {asked.math_limit}, expected at least {kinds}, one of each category"
        )
    squad = asked.squad
    if not Path(squad).is_file():
        hint = "; `make squad` puts it there" if squad == str(PLACE) else ""
        raise InputError(f"{PATH}: predict.squad: {squad}: no such file{hint}")
    profile = config.profile(name)
    limits.check(profile, f"profile {name!r}")
    if profile["abacus"]["base"]["source"] == "directory":
        from stages.model import source

        source.check(source.find(MODELS / name))
    if profile["context"]["device_target"] == "Ascend" and not list(Path("/dev").glob("davinci*")):
        raise InputError(
            f"profile {name!r}: context.device_target is Ascend, expected a machine with an NPU (/dev/davinci*); "
            f"`make plan PROFILE={name}` needs none"
        )


def inputs(given: Inputs) -> None:
    """Raise InputError for an input that is neither a stage's output nor there."""
    for key, own in asdict(OWN).items():
        path = getattr(given, key)
        files = [path, f"{path}.db"] if key == "mindrecord" else [path]
        for file in files if path != own else []:
            if not Path(file).is_file():
                hint = "; `make published` gets the reference's"
                raise InputError(f"{PATH}: inputs.{key}: {file}: no such file{hint}")


if __name__ == "__main__":
    run(main)
