"""Run the benchmarks: python -m tests.bench (make bench). Needs data/base, the output of stage `base`."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from abacus.core.errors import InputError
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.inference.answering import how_of
from abacus.problems.categories import CATEGORIES
from abacus.profile.load import profile
from abacus.scoring import mindformers_f1 as em_f1
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import read_architecture

BASE = Path("data/base")
PAIRS = 2067  # the questions of SQuAD v1.1 dev that the contest asks
NEW_TOKENS = 24
BATCH = 32


def timed(work: Callable[[int], object]) -> float:
    """Return the seconds that the second of two calls takes: the first may compile or load.

    The call gets its number, so that it can take fresh input and no cache helps it.
    """
    work(1)
    start = time.perf_counter()
    work(2)
    return time.perf_counter() - start


def pairs(seed: int) -> list[tuple[str, str]]:
    """Draw PAIRS predictions and references, none the same as another's."""
    random = Random(seed)
    words = ["the", "of", "city", "river", "1943", "Broncos", "Denver", "company", "church", "energy"]

    def text(longest: int) -> str:
        count = random.randint(1, longest)
        return " ".join(random.choices(words, k=count)) + f" {random.randrange(10**9)}"

    return [(text(6), text(3)) for _ in range(PAIRS)]


def score_speed() -> dict[str, float]:
    """Return the seconds that PAIRS pairs take, here and in MindFormers' metric."""
    from mindformers.core.metric.metric import EmF1Metric

    peer = EmF1Metric()

    def ours(seed: int) -> None:
        for prediction, reference in pairs(seed):
            em_f1.f1(prediction, reference)
            em_f1.exact_match(prediction, reference)

    def theirs(seed: int) -> None:
        peer.clear()
        for prediction, reference in pairs(seed):
            peer.update([prediction], [reference])

    return {"abacus": timed(ours), "MindFormers": timed(theirs)}


def dropout_speed() -> dict[str, float]:
    """Return the seconds that dropout takes in one training step of the default profile, forward and backward.

    That is 60 times, a LoRA layer each, 8 rows of 116 places and 576 channels; MindSpore's own does not repeat.
    """
    import mindspore
    from mindspore import nn

    from abacus.training.repeatable import RepeatableDropout

    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    step = mindspore.Parameter(mindspore.Tensor([0], mindspore.int32), name="step", requires_grad=False)
    x = mindspore.ops.standard_normal((8 * 116, 576))
    speeds = {}
    for name, layer in (("abacus", RepeatableDropout(0.2, 7, step)), ("MindSpore", nn.Dropout(p=0.2))):
        gradient = mindspore.value_and_grad(layer.set_train())

        def work(number: int, gradient: Callable = gradient) -> None:
            for _ in range(60):
                loss, _ = gradient(x)
            loss.asnumpy()

        speeds[name] = timed(work)
    return speeds


def decode_speed() -> dict[str, float]:
    """Return tokens a second of greedy decoding, prompts included, here and by MindFormers' `generate`."""
    from abacus.inference.cached import CachedDecoder
    from abacus.inference.framework import FrameworkDecoder
    from abacus.text.prompt import Prompt, Prompter
    from abacus.weights.checkpoint import load_checkpoint

    how = how_of(profile("smollm2-135m"))
    tokenizer = Tokenizer.load(BASE)
    architecture = read_architecture(BASE)
    weights = load_checkpoint(BASE / "model.ckpt")
    random = Random(1)
    direct = CATEGORIES[0]
    texts = [direct.text(direct.draw(random)) for _ in range(BATCH)]
    prompts = [Prompt(ids) for ids in Prompter(tokenizer, "bare", False).problems(texts)]
    ids = {"eos_id": tokenizer.eos_id}
    decoders = {
        "abacus": (CachedDecoder(weights, architecture, batch_size=BATCH, **ids), NEW_TOKENS),
        "MindFormers": (FrameworkDecoder(how, weights, architecture, pad_id=tokenizer.pad_id, **ids), 4),
    }
    speeds = {}
    for name, (decoder, count) in decoders.items():
        tokens = {"max_new_tokens": count, "min_new_tokens": count}
        speeds[name] = BATCH * count / timed(lambda _, d=decoder, t=tokens: d.complete(prompts, **t))
    return speeds


def main() -> None:
    if not (BASE / "model.ckpt").is_file():
        raise InputError(BASE, "no base model is there", advice="run `dvc repro base` first")
    with framework_log(Path("logs/bench.log")) as screen:
        for title, unit, work in (
            (f"EmF1 of {PAIRS} pairs", "s", score_speed),
            ("dropout of one training step", "s", dropout_speed),
            (f"greedy decoding, batch {BATCH}", "tokens/s", decode_speed),
        ):
            for name, value in work().items():
                print(f"{title:30} {name:12} {value:8.2f} {unit}", file=screen)


if __name__ == "__main__":
    run(main)
