"""What can be judged before the first stage runs: parameters, the profile, and the files that late stages start from."""

from pathlib import Path

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH, section
from abacus.core.typed import nearest
from abacus.data.conversation import read_turns
from abacus.data.inputs import RAW, given
from abacus.data.mixing import groups
from abacus.data.rows import lines, read_rows
from abacus.data.selection import Prepare
from abacus.data.squad import PLACE, read_questions
from abacus.formats import fetch
from abacus.formats.own import OWN
from abacus.inference.answering import Predict
from abacus.planning import limits
from abacus.problems.categories import CATEGORIES
from abacus.problems.kinds import unique
from abacus.profile import load
from abacus.profile.load import Profile
from abacus.profile.model import DirectorySource
from abacus.synthesis.rows import Synthesize, different, scaled
from abacus.training.configuration import Training, asked, training_of

# Of params.yaml.
SECTIONS = ("profile", "checkpoints", "synthesize", "prepare", "inputs", "finetune", "predict")
DEVICES = Path("/dev")
NPU = "davinci*"


def everything(name: str | None = None) -> None:
    """Raise InputError for the first thing that a run with the profile `name` (or the chosen one) would stop at."""
    profile = load.profile(name or load.chosen())
    judged(profile)
    files()


def judged(profile: Profile, params: Path = PATH) -> Training:
    """The training that profile and parameters ask for; InputError for what no run of it can give."""
    for name in read_yaml(params):
        if name not in SECTIONS:
            raise InputError(params, f"'{name}' is not a known key", advice=nearest(str(name), SECTIONS))
    for key, into in (("synthesize", Synthesize), ("prepare", Prepare), ("predict", Predict)):
        section(key, into, params)
    recipe, predict = section("prepare", Prepare, params), section("predict", Predict, params)
    if Path(recipe.raw) == RAW:
        source = section("synthesize", Synthesize, params)
        made = different(source.scale)
        check_sizes(recipe, made, f"different rows that synthesize makes ({RAW})", params)
        check_mix(recipe, source.scale, params)
    kinds = len(CATEGORIES)
    if predict.math_limit < min(kinds, recipe.test_size):
        raise InputError(
            params, f"predict.math_limit is {predict.math_limit}", f"at least {kinds}, one of each category"
        )
    limits.check(profile)
    training = training_of(profile, **asked(profile, params))
    folder = OWN / profile.name
    if isinstance(profile.source, DirectorySource):
        fetch.check_own(fetch.find_own(profile.name, folder), profile.llama, profile.name)
    elif not folder.is_dir():
        raise InputError(
            folder,
            "no such folder",
            "one, for stage base depends on it",
            "a README.md in it, in git, is enough",
        )
    if profile.device == "Ascend" and not list(DEVICES.glob(NPU)):
        raise InputError(
            f"profile {profile.name!r}",
            "context.device_target is Ascend",
            f"a machine with an NPU ({DEVICES / NPU})",
            f"`make plan PROFILE={profile.name}` needs none",
        )
    return training


def check_sizes(recipe: Prepare, most: int, what: str, params: Path) -> None:
    """Raise InputError if the recipe asks for more rows than there can be."""
    if recipe.problems + recipe.test_size > most:
        asked = f"prepare.train_size {recipe.train_size} and test_size {recipe.test_size}"
        raise InputError(params, f"{asked} ask for more than the {most} {what}")


def check_mix(recipe: Prepare, scale: float, params: Path) -> None:
    """Raise InputError if the synthetic rows of the kinds that are trained on are too few for the recipe's mix."""
    taken = {kind for named in groups(recipe.mix, recipe.leave_out).values() for kind in named}
    most = sum(scaled(unique(kind), scale) for kind in taken)
    if recipe.mix != "proportional" and recipe.problems > most:
        found = f"prepare.mix and leave_out leave at most {most} different rows to train on"
        raise InputError(params, found, f"the {recipe.problems} that prepare.train_size asks for")


def files(params: Path = PATH) -> None:
    """Raise InputError for a file that a stage starts from and that is not there, or not what it should be."""
    raw = Path(section("prepare", Prepare, params).raw)
    if raw != RAW:
        if not raw.is_file():
            raise InputError(params, f"prepare.raw: {raw}: {_absent(raw)}")
        check_sizes(section("prepare", Prepare, params), lines(raw), f"lines of {raw}", params)
    for key, paths in given(params).items():
        for path in paths:
            if not path.is_file():
                hint = "`make published` gets the reference's"
                raise InputError(params, f"inputs.{key}: {path}: {_absent(path)}", advice=hint)
        if key == "conversations":
            read_turns(paths[0])
        if key == "train":
            for _ in read_rows(paths[0]):
                pass
    squad = Path(section("predict", Predict, params).squad)
    if not squad.is_file():
        hint = "`make squad` puts it there" if squad == PLACE else ""
        raise InputError(params, f"predict.squad: {squad}: {_absent(squad)}", advice=hint)
    read_questions(squad)


def _absent(path: Path) -> str:
    """What is at a path where no file is."""
    if path.is_dir():
        return "is a folder"
    return "is no plain file" if path.exists() else "no such file"
