"""Fine-tune the base model with LoRA; leave equally spaced adapters, the configuration and the loss curve.

python -m stages.finetune --train data/profile/train.yaml --base data/base
    --mindrecord data/train-v2.mindrecord --out checkpoints
"""

from pathlib import Path

from abacus.core.options import Options
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.training.configuration import read_training
from abacus.training.run import Places, check_inputs, fine_tune


def main() -> None:
    """Check what can be checked without MindSpore, then train and export."""
    parser = Options("python -m stages.finetune", __doc__)
    parser.add_argument("--train", type=Path, required=True, help="what stage configure says of the training")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--mindrecord", type=Path, required=True, help="training rows")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch/finetune"))
    parser.add_argument("--log", type=Path, default=Path("logs/finetune.log"))
    args = parser.parse_args()
    training = read_training(args.train)
    check_inputs(training, args.base, args.mindrecord)
    with framework_log(args.log) as user:
        fine_tune(training, Places(args.base, args.mindrecord, args.out, args.scratch, args.log), user)


if __name__ == "__main__":
    run(main)
