"""Exact match and F1 of one answer, as the `EmF1Metric` of MindFormers 1.8.0 defines them.

This is not the SQuAD metric (see `squad.py`): articles and ASCII punctuation such as `.` and `,`
stay, spaces are tokens, the overlap is one contiguous run, and there is one reference. Numbers of
the two must not be compared. The caller hands over the first line of the prediction, stripped;
the score of a set is the plain mean.

Source: https://gitee.com/mindspore/mindformers/blob/r1.8.0/mindformers/core/metric/metric.py
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

DROPPED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CJK = re.compile("([\u4e00-\u9fa5])")


def normalise(text: str) -> str:
    """`text` in lower case, stripped, then without the dropped characters.

    Stripping comes first, so a space before a dropped last character stays.
    """
    return text.lower().strip().translate(DROPPED)


def tokens(text: str) -> list[str]:
    """The tokens of `text`, normalised: each CJK character, and what jieba cuts the rest into."""
    return list(_tokens(normalise(text)))


def exact_match(prediction: str, reference: str) -> float:
    """100.0 if both are the same string once normalised, else 0.0."""
    return 100.0 * (normalise(prediction) == normalise(reference))


def f1(prediction: str, reference: str) -> float:
    """F1 in percent (0 to 100) of the longest contiguous run of tokens both have.

    With L the length of that run, precision is L / tokens of the prediction and recall is
    L / tokens of the reference; without a common token, as with two empty texts, it is 0.
    """
    predicted, expected = tokens(prediction), tokens(reference)
    run = _longest_common_run(predicted, expected)
    if run == 0:
        return 0.0
    precision, recall = run / len(predicted), run / len(expected)
    return 100.0 * (2 * precision * recall / (precision + recall))


def _longest_common_run(left: Sequence[str], right: Sequence[str]) -> int:
    """The length of the longest contiguous run that occurs in both sequences."""
    longest = 0
    above = [0] * (len(right) + 1)  # above[j]: the run that ends at the last token and right[j - 1]
    for token in left:
        above = [0] + [above[j] + 1 if token == other else 0 for j, other in enumerate(right)]
        longest = max(longest, *above)
    return longest


@lru_cache(maxsize=65536)
def _tokens(normalised: str) -> tuple[str, ...]:
    cut = _jieba_cut()
    found: list[str] = []
    for part in CJK.split(normalised):
        found.extend([part] if CJK.fullmatch(part) else cut(part))
    return tuple(found)


@lru_cache(maxsize=1)
def _jieba_cut() -> Callable[[str], Iterable[str]]:
    """`jieba.cut` in its default mode, imported on first use and without its messages.

    The prefix dictionary is built from jieba's own file each time (0.7 s). By itself jieba takes it from a file in the
    shared temporary folder, where another program or user can leave any other, and leaves one there. A cache
    of ours would have to be written into the clone, which may be read-only, to save those seconds six times a run.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports the deprecated pkg_resources
        import jieba
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()  # not the module's own, to which other code may add words
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer.cut
