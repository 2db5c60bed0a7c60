"""One damaged row in a large file: every reader names that row, whatever is wrong with it."""

import time
from pathlib import Path

import pytest

SIZES = [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)]
ROW = '{{"problem": "计算 {0:.2f} + 0.00 等于多少？", "solution": "{0:.2f} + 0.00 = {0:.2f}"}}\n'
GOOD = ROW.format(12345.67).encode()
# What the row is, what `audit` says of it, and what `prepare` does, after "line N: "; None if it sets the row aside.
DAMAGES = {
    "wrong": (
        GOOD.replace(b"= 12345.67", b"= 12345.68"),
        "计算 12345.67 + 0.00 等于多少？: stated '12345.67 + 0.00 = 12345.68', expected '12345.67 + 0.00 = 12345.67'",
        None,
    ),
    "unknown": (GOOD.replace("计算".encode(), "数算".encode()), "the problem is of no category: 数算 12345.67", ""),
    "cut": (GOOD.decode()[:30].encode() + b"\n", "not JSON (Unterminated string starting at character 13): ", ""),
    "a byte": (GOOD.replace("计".encode(), b"\xe8\xae"), "byte 14 is not UTF-8, expected JSON Lines", ""),
    "zeros": (bytes(60) + b"\n", "not JSON (Expecting value at character 1): ", ""),
    "no solution": (GOOD.replace(b"solution", b"solutoin"), "key 'solution' is missing: ", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Make a file of `size` right rows, the one in `line` damaged; the right ones are written once a size."""
    folder = tmp_path_factory.mktemp("large")
    blocks: dict[int, bytes] = {}

    def make(size: int, line: int, damaged: bytes) -> Path:
        if size not in blocks:
            blocks.clear()
            blocks[size] = "".join(ROW.format(n / 100) for n in range(size)).encode()
        rows = blocks[size]
        start = len("".join(ROW.format(n / 100) for n in range(line - 1)).encode())
        path = folder / "rows.jsonl"
        path.write_bytes(rows[:start] + damaged + rows[rows.index(b"\n", start) + 1 :])
        return path

    return make


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_damaged_row_is_named(stage, params, large, tmp_path, record_property, damage, size):
    content, said, stopped = DAMAGES[damage]
    line = size - size // 3
    path = large(size, line, content)
    begun = time.monotonic()
    done = stage("audit", "--raw", path)
    record_property("audit, seconds", round(time.monotonic() - begun, 1))
    place = f"{path}, line {line}: "
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].removeprefix("error: ").startswith(place + said), done.stderr[-500:]
    outs = [
        word
        for name in ("train", "test", "rejected", "metrics", "categories")
        for word in (f"--{name}", tmp_path / name)
    ]
    small = params(prepare={"train_size": size // 2, "test_size": 100})
    done = stage("prepare", "--raw", path, *outs, "--params", small)
    if stopped is None:  # a wrong label is set aside, with its line
        assert done.returncode == 0, done.stderr
        assert (
            (tmp_path / "rejected")
            .read_text(encoding="utf-8")
            .startswith(f'{{"line": {line}, "reason": "wrong label')
        )
        return
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {place}{said}"), done.stderr[-500:]
    assert not (tmp_path / "train").exists()
