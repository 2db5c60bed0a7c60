"""The official SQuAD v1.1 metric for one answer.

This is the metric the rest of the world reports: a bag of tokens without articles and punctuation,
best of all references. The score of a set is the plain mean.

Source: the evaluation script v1.1 linked from https://rajpurkar.github.io/SQuAD-explorer/, and
Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250, section 6.1.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """`text` in lower case without ASCII punctuation and articles, its words one space apart."""
    bare = text.lower().translate(PUNCTUATION)
    return " ".join(ARTICLE.sub(" ", bare).split())


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """100.0 if the prediction equals any of the references once normalised, else 0.0."""
    return max(100.0 * (normalise(prediction) == normalise(one)) for one in references)


def f1(prediction: str, references: Sequence[str]) -> float:
    """F1 in percent (0 to 100) of the words shared with the best matching reference."""
    return max(_f1(prediction, one) for one in references)


def _f1(prediction: str, reference: str) -> float:
    predicted, expected = normalise(prediction).split(), normalise(reference).split()
    shared = (Counter(predicted) & Counter(expected)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 100.0 * (2 * precision * recall / (precision + recall))
