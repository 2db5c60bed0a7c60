"""EmF1 of 2 067 pairs by the project's functions or by MindFormers' metric; the second of two goes counts.

python score.py ours figures.json
"""

import sys
import time
from pathlib import Path
from random import Random

from abacus.core.documents import write_json
from abacus.core.quiet import framework_log
from abacus.scoring import mindformers_f1 as em_f1

PAIRS = 2067  # the questions of SQuAD v1.1 dev that the contest asks
WORDS = ["the", "of", "city", "river", "1943", "Broncos", "Denver", "company", "church", "energy"]


def pairs(seed: int) -> list[tuple[str, str]]:
    """Draw PAIRS predictions and references, none the same as another's, so that no cache helps."""
    random = Random(seed)

    def text(longest: int) -> str:
        words = random.choices(WORDS, k=random.randint(1, longest))
        return " ".join(words) + f" {random.randrange(10**9)}"

    return [(text(6), text(3)) for _ in range(PAIRS)]


def ours(some: list[tuple[str, str]]) -> None:
    for prediction, reference in some:
        em_f1.f1(prediction, reference)
        em_f1.exact_match(prediction, reference)


def peer(some: list[tuple[str, str]]) -> None:
    from mindformers.core.metric.metric import EmF1Metric

    metric = EmF1Metric()
    metric.clear()
    for prediction, reference in some:
        metric.update([prediction], [reference])


def main(which: str, figures: str) -> None:
    with framework_log(Path("score.log")):
        work = {"ours": ours, "peer": peer}[which]
        for seed in (1, 2):
            some = pairs(seed)
            start = time.perf_counter()
            work(some)
            seconds = time.perf_counter() - start
    write_json(Path(figures), {"seconds": seconds})


if __name__ == "__main__":
    main(*sys.argv[1:])
