"""How sure a score is: 95 % intervals of shares and means, by scipy."""

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

LEVEL = 0.95
RESAMPLES, SEED = 9_999, 20_240_711
DIGITS = 4  # of a bound: what comes after is a machine's arithmetic, and files are compared by their bytes


class Interval(NamedTuple):
    """Both bounds, in percent."""

    low: float
    high: float


def wilson(right: int, asked: int) -> Interval:
    """Wilson's score interval of a share, `right` of `asked` > 0 answers, without correction for continuity.

    Source: E. B. Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; Newcombe 1998, method 3.
    """
    from scipy.stats import binomtest  # a second to import: only where it is needed

    found = binomtest(right, asked).proportion_ci(LEVEL, method="wilson")
    return Interval(*(round(100 * float(bound), DIGITS) for bound in found))


def of_mean(scores: Sequence[float]) -> Interval:
    """The interval of the mean of one or more scores from 0 to 100, one an answer.

    Scores of 0 and 100 alone are a share, and have Wilson's interval. The mean of others (F1) has the percentiles of
    9 999 means of as many scores drawn anew, from a fixed seed. Where all are one score in between, nothing can be
    drawn but that; Wilson's interval is then wide enough whatever the scores.
    """
    total, asked = sum(scores) / 100, len(scores)
    if len(set(scores)) == 1 or not set(scores) - {0.0, 100.0}:
        low, high = wilson(floor(total), asked), wilson(min(ceil(total), asked), asked)
        return Interval(low.low, high.high)
    import numpy as np
    from scipy.stats import bootstrap

    random = np.random.default_rng(SEED)
    found = bootstrap(
        (scores,), np.mean, n_resamples=RESAMPLES, batch=500, confidence_level=LEVEL,
        method="percentile", rng=random,
    )  # fmt: skip
    return Interval(*(round(float(bound), DIGITS) for bound in found.confidence_interval))
