"""Check params.yaml and the profile that it names, before any stage runs.

python -m stages.check

DVC removes a stage's old outputs before it runs the stage: a wrong parameter is better found earlier.
"""

from pathlib import Path

from stages.command import InputError, run
from stages.finetune import Finetune
from stages.model.config import profile
from stages.params import PATH, read_yaml, section
from stages.predict import Predict
from stages.prepare import Prepare
from stages.squad import PLACE
from stages.synthesize import Synthesize


def main() -> None:
    params = read_yaml(PATH)
    synthetic = params.get("synthetic")
    if not isinstance(synthetic, list) or not all(isinstance(name, str) for name in synthetic):
        raise InputError(
            f"{PATH}: synthetic is {synthetic!r}, expected a list of names, such as [train] or []"
        )
    section("synthesize", Synthesize)
    section("finetune", Finetune)
    raw = section("prepare", Prepare).raw
    if raw not in {f"data/raw/{name}.json" for name in synthetic} and not Path(raw).is_file():
        raise InputError(f"{PATH}: prepare.raw: {raw}: no such file")
    squad = section("predict", Predict).squad
    if not Path(squad).is_file():
        hint = "; `make squad` puts it there" if squad == str(PLACE) else ""
        raise InputError(f"{PATH}: predict.squad: {squad}: no such file{hint}")
    profile(str(params.get("profile")))


if __name__ == "__main__":
    run(main)
