"""How well a base model knows sums of two digits, by how they are written: python -m benchmarks.forms data/base."""

import argparse
from pathlib import Path
from random import Random

from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.text.prompt import Prompt
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import read_architecture
from abacus.weights.checkpoint import load_checkpoint

FORMS = ("{a}+{b}={sum};", "{a}+{b} = {sum};", "{a} + {b}={sum};", "{a} + {b} = {sum};")
COUNT, SHOWN, NEW_TOKENS = 64, 12, 4


def asked(form: str, random: Random) -> tuple[str, str]:
    """A prompt of SHOWN sums and the beginning of another one, and what should follow."""
    pairs = [(random.randint(0, 9), random.randint(0, 9)) for _ in range(SHOWN + 1)]
    *shown, last = (form.format(a=a, b=b, sum=a + b) for a, b in pairs)
    answer = f"{sum(pairs[-1])};"
    return "".join(shown) + last.removesuffix(answer), answer


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask a base model for sums in several forms.")
    parser.add_argument("base", type=Path)
    base = parser.parse_args().base
    tokenizer = Tokenizer.load(base)
    with framework_log(Path("logs/bench.log")) as screen:
        from abacus.inference.cached import CachedDecoder

        decoder = CachedDecoder(
            load_checkpoint(base / "model.ckpt"),
            read_architecture(base),
            batch_size=COUNT,
            eos_id=tokenizer.eos_id,
        )
        for form in FORMS:
            random = Random(5)
            sums = [asked(form, random) for _ in range(COUNT)]
            prompts = [Prompt(tokenizer.encode(text)) for text, _ in sums]
            found = decoder.complete(prompts, max_new_tokens=NEW_TOKENS, min_new_tokens=1)
            right = sum(
                tokenizer.decode(one.ids).startswith(answer)
                for one, (_, answer) in zip(found, sums, strict=True)
            )
            print(f"{form.format(a=6, b=8, sum=14):14} {right} of {COUNT}", file=screen)


if __name__ == "__main__":
    run(main)
