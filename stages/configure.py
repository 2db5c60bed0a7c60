"""Lay the profile over its base, check it with all that can be judged before a run, and write a file a concern.

    python -m stages.configure --base profiles/base.yaml --profile profiles/smollm2-135m.yaml
        --squad data/reading/reading-v1.1.json --out data/profile

DVC runs it first, so that what is wrong is found before anything is trained, and before an old output is removed.
"""

from pathlib import Path

from abacus.core.files import replacing
from abacus.core.options import Options
from abacus.core.params import PATH
from abacus.core.process import run
from abacus.pipeline import judge
from abacus.profile.concerns import TRAIN, documents, write
from abacus.profile.load import load


def main() -> None:
    parser = Options("python -m stages.configure", __doc__)
    parser.add_argument("--base", type=Path, required=True, help="what every profile lies over")
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument(
        "--squad", type=Path, required=True, help="the reading questions that predict will ask"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--params", type=Path, default=PATH)
    args = parser.parse_args()
    profile = load(args.profile, args.base)
    training = judge.judged(profile, args.params)
    judge.files(args.params)
    with replacing(args.out) as part:
        write(part, documents(profile) | {TRAIN: training.document()})


if __name__ == "__main__":
    run(main)
