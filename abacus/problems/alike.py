"""When two texts ask the same: a key of each problem in a text, equal for trivial variants of a problem.

Variants are other spellings of the numbers (6 for 6.00, full-width digits, -0), other signs for the same operation,
blanks and punctuation, and the operands in another order where the order does not matter, which the category says
(sums, products, areas, masses, and the data of a mean). 5 - 3 and 5 + -3 are two problems, and so are 6/8 and 3/4.
"""

import functools
import re
import string
import unicodedata

from abacus.problems.categories import CATEGORIES, Category, Problem

LONGEST = 20_000  # characters of a text in which problems are looked for
# What may stand anywhere, or be missing, without changing what is asked.
PUNCTUATION = ",;:?!。、.()[]{}【】《》\"'“”‘’「」`$"
ANY = rf"(?:[{re.escape(PUNCTUATION.replace('.', ''))}]|\.(?![0-9]))*"
SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒―﹣", "-"),
        **dict.fromkeys("×✕✖∗⋅·", "*"),
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "、": ",",
    }
)
BETWEEN_NUMBERS = re.compile(r"(?<=[0-9])\s+(?=[0-9])")
OTHER_DIGIT = re.compile(r"(?![0-9])\d")  # NFKC leaves those of other scripts
BLANK = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u00ad]+")


BUT_DIGITS = bytes(set(range(256)) - set(b"123456789"))
Key = tuple[object, ...]


def keys(text: str) -> set[Key]:
    """The key of each problem that a text holds; of a text without any, one that its words make up."""
    folded = fold(text[:LONGEST])
    found = {
        (category.name, *_alike(category, match))
        for category, pattern in _patterns()
        for match in pattern.finditer(folded)
    }
    return found or {("", bare(folded))}


def key(problem: Problem) -> Key:
    """The key of a recognised problem: that which `keys` finds in its text."""
    return (problem.category.name, *problem.category.alike(**problem.values))


def digits(problem: str) -> bytes:
    """What all variants of a problem in the published form share: its digits but the zeros, in order of size.

    Far cheaper than a key: where these differ, the keys do too.
    """
    return bytes(sorted(problem.encode("utf-8").translate(None, BUT_DIGITS)))


def fold(text: str) -> str:
    """The text in ASCII's digits and signs, as far as it can be, without blanks and in lower case."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = text.translate(SIGNS).lower()
    text = OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    return BLANK.sub("", BETWEEN_NUMBERS.sub(",", text))


def bare(folded: str) -> str:
    """A folded text without punctuation."""
    return folded.translate({ord(c): None for c in PUNCTUATION})


@functools.cache
def _patterns() -> list[tuple[Category, re.Pattern[str]]]:
    return [(category, _pattern(category)) for category in CATEGORIES]


def _pattern(category: Category) -> re.Pattern[str]:
    """The category's problem, with punctuation anywhere and numbers in any spelling."""
    parts = []
    for words, name, _, _ in string.Formatter().parse(category.problem):
        # `9x - 45` is `9x + -45`: a sign that joins may be the number's own.
        parts += ["(?:\\+|(?=-))" if sign == "+" else re.escape(sign) for sign in bare(fold(words))]
        if name:
            parts.append(f"(?P<{name}>{category.operands[name].loose})")
    return re.compile(ANY.join(parts) + r"(?![.,]?[0-9])")


def _alike(category: Category, match: re.Match[str]) -> Key:
    return category.alike(
        **{name: category.operands[name].value(text) for name, text in match.groupdict().items()}
    )
