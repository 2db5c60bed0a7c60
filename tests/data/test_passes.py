"""Passes over parts: where the raw file is cut, and where its rows go."""

from itertools import pairwise

import pytest

from abacus.core.errors import InputError
from abacus.data.columns import Group, writing
from abacus.data.passes import deal, parts_of, spans
from abacus.data.rows import WHOLE, Row, blocks, write_rows
from abacus.problems.sampling import rank


@pytest.fixture(scope="module")
def raw(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.json"
    write_rows(path, ({"problem": row.problem, "solution": row.solution} for row in small))
    return path


@pytest.mark.parametrize("count", [1, 2, 3, 50, 5000])
def test_spans_are_whole_lines_and_make_up_the_file(raw, small, count):
    found = spans(raw, count)
    assert len(found) <= count and (count > 50 or len(found) == count)
    assert found[0].start == 0 and found[-1].end == raw.stat().st_size
    assert all(before.end == after.start for before, after in pairwise(found))
    lines = [line for span in found for _, block in blocks(raw, span) for line in block]
    assert b"".join(lines) == raw.read_bytes() and len(lines) == len(small)


@pytest.mark.parametrize("content", [b"\n\n\n", b"{}\n\n", b"\n" + b"x" * 300_000 + b"\n1"])
@pytest.mark.parametrize("count", range(1, 8))
def test_lines_of_every_length_are_read_once(tmp_path, content, count):
    """Down to a single byte, of which a span of one is left."""
    path = tmp_path / "raw.json"
    path.write_bytes(content)
    for span in spans(path, count):
        lines = [line for _, block in blocks(path, span) for line in block]
        assert b"".join(lines) == content[span.start : span.end]
        assert [line.count(b"\n") for line in lines[:-1]] == [1] * (len(lines) - 1)


def test_an_empty_file_and_none_are_refused(tmp_path):
    path = tmp_path / "raw.json"
    with pytest.raises(InputError, match="no such file"):
        spans(path, 2)
    path.write_bytes(b"")
    assert spans(path, 2) == [WHOLE] and parts_of(path) == 1


def test_the_parts_follow_each_other_in_the_order_of_the_hashes(raw, small, tmp_path):
    dealt = [deal((raw, span, 7, tmp_path / str(n))) for n, span in enumerate(spans(raw, 3))]
    assert sum(one.rows for one in dealt) == len(small)
    parts = [[text for one in dealt for text in one.sections[n].group().problems] for n in range(7)]
    assert sorted(text for part in parts for text in part) == sorted(row.problem for row in small)
    ranks = [[rank(text) for text in part] for part in parts]
    assert all(max(before) < min(after) for before, after in pairwise(ranks))


def test_a_span_with_a_line_that_is_no_row_is_not_dealt(tmp_path):
    path = tmp_path / "raw.json"
    path.write_bytes(b'{"problem": "a", "solution": ""}\nnonsense\n')
    assert deal((path, WHOLE, 2, tmp_path / "out")) is None
    assert [one.name for one in tmp_path.iterdir()] == ["raw.json"]


TEXTS = ["", "[", '["a"]', "\n", "\x1e", "\x1d", "a\x1eb", "\0", "\u2028", "计算", "😀"]
COLUMNS = [[], *([text] for text in TEXTS), TEXTS, TEXTS[::-1], ["", ""], ["[", "a"], ["a", "["]]


@pytest.mark.parametrize("texts", COLUMNS, ids=ascii)
def test_a_section_is_read_as_it_was_written_whatever_the_texts_are(texts, tmp_path):
    rows = [Row(number, text, text[::-1]) for number, text in enumerate(texts, 5)]
    with writing(tmp_path / "some") as writer:
        before = writer.add([1, 2], ["x", "y"])
        section = writer.add(*Group.of(rows).columns)
    assert list(section.group()) == rows
    assert before.columns() == ([1, 2], [["x", "y"]])


def test_a_group_is_a_sequence_of_rows():
    rows = [Row(number, f"p{number}", f"s{number}") for number in range(9)]
    group = Group.of(rows)
    assert [list(group[2:5]), group[3], len(group)] == [rows[2:5], rows[3], 9]
    assert list(group.without({0, 4, 8})) == [row for row in rows if row.line not in (0, 4, 8)]
    assert not Group.of([]) and list(Group.of([]).without({1})) == []
