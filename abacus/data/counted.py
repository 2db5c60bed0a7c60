"""What stage prepare has counted, as metrics and as a table of categories."""

from collections import Counter
from typing import Any

from abacus.data.audit import NAMES, tally
from abacus.data.splitting import Chosen
from abacus.problems.workings import matched


def figures(counts: Counter[tuple[str, str]], chosen: Chosen) -> dict[str, Any]:
    """Return what stage prepare has counted: rows, drops, audit, and each category's share of all unique rows.

    Rows whose labels are not taken although they are right at their own precision are among the wrong ones.
    """
    kinds: Counter[str] = Counter()
    by_category: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    for (kind, name), count in counts.items():
        kind = "wrong" if kind == "roundable" else kind
        kinds[kind] += count
        if name:
            by_category[name][kind] += count
    unique = kinds.total() - kinds["duplicate"]
    used = {
        "train": chosen.trained,
        "test": Counter(matched(row.problem)[0].name for row in chosen.test),
    }
    proportions = {name: by_category[name].total() / unique for name in NAMES}
    return {
        "rows": kinds.total(),
        "unique": unique,
        "duplicate": kinds["duplicate"],
        "english": kinds["english"],
        "verified": kinds["verified"],
        "rounded": kinds["rounded"],
        "wrong": kinds["wrong"],
        "unknown": kinds["unknown"],
        "variants": chosen.variants.total(),
        "train": chosen.trained.total() + len(chosen.reading),
        "test": len(chosen.test),
        "capped": chosen.capped,
        "replay": len(chosen.reading),
        "by_category": {
            name: tally(by_category[name]) | {part: used[part][name] for part in used} for name in NAMES
        },
        "proportions": proportions | {"english": kinds["english"] / unique},
    }


# The columns of the table of categories.
COUNTED = ("category", "unique", "verified", "wrong", "train", "test", "share")


def flat(found: dict[str, Any]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Figures as metrics, a handful of numbers, and as a table of categories: a row each."""
    whole = {key: value for key, value in found.items() if isinstance(value, int)}
    kinds, shares = found["by_category"], found["proportions"]
    return whole, [{"category": name, **kinds[name], "share": shares[name]} for name in kinds]
