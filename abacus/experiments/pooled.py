"""What several seeds of a recipe say together: a mean over seeds and questions, and how sure it is.

The bootstrap draws seeds anew and, independently, questions anew, each as many as there are (a two-way cluster
bootstrap): seeds are a recipe's repetitions, and a question is as hard for all of them. With few seeds, say three, the
part of it that is between seeds is too narrow; with one there is none, and a share has Wilson's interval, as that of a
checkpoint has.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abacus.scoring.intervals import DIGITS, LEVEL, RESAMPLES, SEED, Interval, wilson
from abacus.scoring.questions import LIMIT, Outcomes, mcnemar

BLOCK = 500  # resamples at a time
Scores = Sequence[Mapping[str, float]]  # a mapping a seed: each question's score from -1 to 1


class Pooled(NamedTuple):
    """A mean in percent (of a difference: in points) with its 95 % interval."""

    mean: float
    interval: Interval


class Compared(NamedTuple):
    """A recipe beside another, on the same seeds and questions: points more, gained and lost answers, McNemar's p."""

    seeds: int
    difference: Pooled
    gained: int
    lost: int

    @property
    def p(self) -> float:
        """McNemar's exact p of all seeds' answers together, as if each were of another question."""
        return mcnemar(self.gained, self.lost)

    @property
    def verdict(self) -> str:
        """What may be said: a difference that its interval and the test both hold to be one."""
        low, high = self.difference.interval
        if low <= 0 <= high or self.p >= LIMIT:
            return "not distinguishable"
        return "better" if low > 0 else "worse"


def right(outcomes: Outcomes, metric: str, category: str = "") -> dict[str, float]:
    """Each question's score by an exact metric, of one category or all."""
    return {
        key: float(one.right[metric])
        for key, one in outcomes.items()
        if metric in one.right and category in ("", one.category)
    }


def mean(seeds: Scores) -> float | None:
    """The mean of all seeds' scores in percent; None without questions."""
    table = _table(seeds)
    return None if table is None else 100 * float(np.nanmean(table))


def share(seeds: Scores) -> Pooled | None:
    """The share of right answers of all seeds; None without questions.

    One seed has Wilson's interval. Where all or none of several seeds' answers are right nothing can be drawn but that:
    Wilson's, of the different questions alone.
    """
    table = _table(seeds)
    if table is None:
        return None
    found = float(np.nanmean(table))
    if len(table) > 1 and found not in (0.0, 1.0):
        return Pooled(100 * found, _bounds(table))
    asked = table.shape[1]
    return Pooled(100 * found, wilson(round(found * asked), asked))


def compare(old: Mapping[int, Outcomes], new: Mapping[int, Outcomes], metric: str) -> Compared | None:
    """Two recipes on the seeds and questions that both have, by an exact metric; None if there are none."""
    pairs = [(right(old[seed], metric), right(new[seed], metric)) for seed in new if seed in old]
    changes = [{key: after[key] - before[key] for key in after if key in before} for before, after in pairs]
    table = _table(changes)
    if table is None:
        return None
    gained, lost = int(np.nansum(table == 1)), int(np.nansum(table == -1))
    return Compared(len(table), Pooled(100 * float(np.nanmean(table)), _bounds(table)), gained, lost)


def _table(seeds: Scores) -> NDArray[np.float64] | None:
    """Scores of shape (seeds, questions), without seeds that were asked none; NaN where a seed was not asked."""
    seeds = [one for one in seeds if one]
    keys = list(dict.fromkeys(key for one in seeds for key in one))
    if not keys:
        return None
    return np.array([[one.get(key, np.nan) for key in keys] for one in seeds], dtype=np.float64)


def _bounds(table: NDArray[np.float64]) -> Interval:
    """The percentiles of the means of seeds and questions drawn anew, in percent."""
    random = np.random.default_rng(SEED)
    asked, scores = ~np.isnan(table), np.nan_to_num(table)
    means = []
    for begin in range(0, RESAMPLES, BLOCK):
        count = min(BLOCK, RESAMPLES - begin)
        seeds, questions = (random.multinomial(n, [1 / n] * n, size=count) for n in table.shape)
        taken = ((seeds @ asked) * questions).sum(axis=1)
        means.append(((seeds @ scores) * questions).sum(axis=1) / np.maximum(taken, 1))
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Interval(round(100 * float(low), DIGITS), round(100 * float(high), DIGITS))
