"""README.zh-CN.md is README.md in Chinese: the same headings, commands, tables, figures, links and pictures."""

import re

import pytest

from tests.docs.commands import BLOCK, INLINE, lines, parsed
from tests.workspace import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
# Of which words differ by language: a number with its parts, as 25 min 25 s or 1e-3.
NUMBER = re.compile(r"(?<![\w.-])\d[\d  ]*(?:\.\d+)?(?:e-?\d+)?(?!\w)")
CODE = re.compile(r"`([^`\n]+)`")


def prose(text: str) -> str:
    """A document without blocks, comments and addresses."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]+\)", "]", text)


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, row by row."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in one.splitlines()]
        for one in found
    ]


def plain(cell: str) -> str:
    """What of a cell is the same in every language: its code, numbers and signs, without words."""
    return " ".join(CODE.findall(cell)) or " ".join(re.findall(r"-?\d[\d.]*", cell))


def parts(text: str) -> list[str]:
    """The document heading by heading."""
    return re.split(r"^#+ .+$", text, flags=re.MULTILINE)


def test_the_headings_are_as_deep_and_as_many():
    levels = [
        re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
        for text in (ENGLISH, CHINESE)
    ]
    assert levels[0] == levels[1] and len(levels[0]) > 7


def test_the_commands_are_the_same_and_stand_in_the_same_blocks():
    blocks = [
        [
            [one.words for line in lines(f"```console\n{block}```") for one in parsed("", line)]
            for block in BLOCK.findall(text)
        ]
        for text in (ENGLISH, CHINESE)
    ]
    assert blocks[0] == blocks[1] and len(blocks[0]) > 4
    assert all(
        set(INLINE.findall(a)) == set(INLINE.findall(b))
        for a, b in zip(parts(ENGLISH), parts(CHINESE), strict=True)
    )


def test_the_tables_have_the_same_cells():
    both = [tables(text) for text in (ENGLISH, CHINESE)]
    assert len(both[0]) == len(both[1]) >= 4
    for english, chinese in zip(*both, strict=True):
        assert [[plain(cell) for cell in row] for row in english] == [
            [plain(cell) for cell in row] for row in chinese
        ]


@pytest.mark.parametrize("number", range(len(parts(ENGLISH))))
def test_a_section_names_the_same_code_numbers_and_links(number):
    english, chinese = parts(ENGLISH)[number], parts(CHINESE)[number]
    # Each language leads to the other.
    assert {*re.findall(r"\]\(([^)]+)\)", english)} - {"README.zh-CN.md"} == {
        *re.findall(r"\]\(([^)]+)\)", chinese)
    } - {"README.md"}
    assert set(CODE.findall(prose(english))) == set(CODE.findall(prose(chinese)))
    texts = [CODE.sub("", prose(text)) for text in (english, chinese)]
    found = [sorted(number.strip() for number in NUMBER.findall(text)) for text in texts]
    assert found[0] == found[1]


def test_the_pictures_and_generated_tables_are_the_same():
    for pattern in (
        r"!\[[^\]]*\]\(([^)]+)\)",
        r'<img[^>]*src="([^"]+)"',
        r"(?s)<!-- bench: \w+ -->.*?<!-- bench: end -->",
    ):
        assert re.findall(pattern, ENGLISH) == re.findall(pattern, CHINESE)


def test_it_is_in_chinese():
    letters = re.sub(r"[\W\d_]", "", CODE.sub("", prose(parts(CHINESE)[2])))
    assert len(re.findall(r"[\u4e00-\u9fff]", letters)) > len(letters) / 2
