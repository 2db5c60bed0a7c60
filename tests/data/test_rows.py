"""Rows in JSON Lines: what is read, what is refused and in which words, what is written."""

import json

import pytest

from abacus.core.errors import InputError
from abacus.data.rows import CHINESE, Row, clip, json_line, read_objects, read_rows, write_rows

GOOD = '{"problem": "计算 1 + 2 等于多少？", "solution": "1 + 2 = 3"}\n'.encode()


def read(tmp_path, content):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    return list(read_rows(path))


def test_rows_carry_their_line(tmp_path):
    rows = read(tmp_path, GOOD * 2)
    assert rows == [Row(n, "计算 1 + 2 等于多少？", "1 + 2 = 3") for n in (1, 2)]


def test_the_last_line_may_lack_its_end(tmp_path):
    assert len(read(tmp_path, GOOD * 2 + GOOD.rstrip())) == 3


def test_more_keys_than_needed_are_let_be(tmp_path):
    assert read(tmp_path, b'{"problem": "a", "solution": "b", "level": 5}') == [Row(1, "a", "b")]


def test_a_missing_solution_may_be_allowed(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('{"problem": "a"}')
    assert list(read_rows(path, keys=("problem",))) == [Row(1, "a", "")]


def test_escaped_text_is_read(tmp_path):
    content = rb'{"problem": "\u8ba1\u7b97 \ud83d\ude00\n", "solution": ""}'
    assert read(tmp_path, content) == [Row(1, "计算 \U0001f600\n", "")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not JSON\n", "not JSON (Expecting value at character 1): not JSON"),
        (b'{"problem": "a\n', 'not JSON (Unterminated string starting at character 13): {"problem": "a'),
        (GOOD.strip() + GOOD, "not JSON (Extra data at character 55): "),
        (b'{"problem": 1' + b"0" * 5000 + b"}\n", "a number is too long to be read: {"),
        (b"[1, 2]\n", "not a JSON object: [1, 2]"),
        (b"null\n", "not a JSON object: null"),
        (b"5\n", "not a JSON object: 5"),
        (b"[" * 100_000 + b"\n", "nested too deep for a row"),
        (b'{"problem": ' + b"[" * 900 + b"]" * 900 + b"}\n", "nested too deep for a row"),
        (b'{"problem": 1e9999, "solution": ""}\n', "'problem' is Infinity, expected text"),
        (b'{"problem": NaN}\n', "key 'solution' is missing: {\"problem\": NaN}"),
        (b'{"solution": "1"}\n', 'key \'problem\' is missing: {"solution": "1"}'),
        ('{"problem": "计算"}\n'.encode(), 'key \'solution\' is missing: {"problem": "计算"}'),
        (b'{"problem": "a", "solution": 30}\n', "'solution' is 30, expected text"),
        (b'{"problem": "a", "solution": null}\n', "'solution' is null, expected text"),
        (b'{"problem": ["a"], "solution": ""}\n', "'problem' is [\"a\"], expected text"),
        (b'{"problem": " ", "solution": "b"}\n', "'problem' is blank"),
        (b"\n", "the line is blank, expected a JSON object"),
        (b" \t\n", "the line is blank, expected a JSON object"),
        (b"\xef\xbb\xbf" + GOOD, "starts with a byte order mark; save the file as UTF-8 without BOM"),
        (GOOD.rstrip() + b"\r\n", "ends in CRLF; save the file with Unix line ends (LF)"),
        (b"\r\n", "ends in CRLF; save the file with Unix line ends (LF)"),
        (b'{"problem": "\xff"}\n', "byte 14 is not UTF-8, expected JSON Lines"),
        (GOOD.decode().encode("utf-16"), "byte 1 is not UTF-8, expected JSON Lines"),
        (b'\x00\x01{"a"\n', r"not JSON (Expecting value at character 1): \x00\x01{"),
        (
            rb'{"problem": "\ud83d", "solution": ""}' + b"\n",
            "holds a lone surrogate, which is no character: ",
        ),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path, line, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, GOOD + line)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'rows.json'}, line 2: {message}"), text
    assert "\n" not in text and len(text) < 400


@pytest.mark.parametrize(
    "line",
    [
        '{"problem": "计算\u2028\x7f\u0085\ud7ff\U0010ffff 1", "solution": ""}',
        '{"problem": "a}", "solution": "{[\\", \\"]}"}',
        '{"problem": "a", "solution": "b"} ',
        ' {"problem": "a", "solution": "b"}',
        '{"problem":"a","solution":"b"}',
        '{"solution": "b", "problem": "a"}',
        '{"problem": "a", "solution": "b", "solutions": "c"}',
        '\x1e{"problem": "a", "solution": "b"}',
        '{"problem": "a\\\\", "solution": "\\u4e00\\/"}',
    ],
)
def test_lines_of_the_published_form_and_others_read_as_json_does(tmp_path, line):
    """Alone, as the last line, and between others, which are read many at a time."""
    value = json.loads(line.strip("\x1e"))
    row = (value["problem"], value["solution"])
    plain = ("计算 1 + 2 等于多少？", "1 + 2 = 3")
    raw = line.encode() + b"\n"
    assert [one[1:] for one in read(tmp_path, raw)] == [row]
    found = read(tmp_path, GOOD * 3000 + raw + GOOD + raw.strip(b"\n"))
    assert found == [Row(n, *one) for n, one in enumerate([plain] * 3000 + [row, plain, row], 1)]


@pytest.mark.parametrize("problem", ["", " ", "\u3000\u0085 "])
def test_a_blank_problem_of_the_published_form_is_refused(tmp_path, problem):
    with pytest.raises(InputError, match="line 2: 'problem' is blank"):
        read(tmp_path, GOOD + f'{{"problem": "{problem}", "solution": "b"}}\n'.encode() + GOOD)


def test_a_control_character_is_no_json(tmp_path):
    with pytest.raises(InputError, match=r"line 2: not JSON .Invalid control character at character 14"):
        read(tmp_path, GOOD + b'{"problem": "\x01", "solution": "b"}\n')


def test_an_object_is_written_as_the_json_module_writes_it():
    for text in ("计算", '"\\ \n\x00\x1f\x7f\u2028\U0010ffff', ""):
        value = {"line": 3, "problem": text, text: [True, None, 0.1, text], "solution": True}
        assert json_line(value) == json.dumps(value, ensure_ascii=False) + "\n"


def test_the_rows_before_a_bad_line_are_read(tmp_path):
    path = tmp_path / "rows.json"
    path.write_bytes(GOOD + b"{\n")
    rows = read_rows(path)
    assert next(rows).line == 1
    with pytest.raises(InputError, match="line 2"):
        next(rows)


@pytest.mark.parametrize("name", ["empty", "missing", "folder"])
def test_a_file_that_cannot_hold_rows_is_refused(tmp_path, name):
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    says = {
        "empty": "the file is empty, expected JSON Lines",
        "missing": "no such file",
        "folder": "is a folder, expected a JSON Lines file",
    }
    with pytest.raises(InputError) as caught:
        list(read_objects(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: {says[name]}"


def test_what_is_written_comes_back(tmp_path):
    rows = [{"problem": '计算 \U0001f600 \\ " \n \u2028', "solution": "√2"}, {"problem": "b", "solution": ""}]
    path = tmp_path / "new" / "rows.json"
    write_rows(path, iter(rows))
    assert path.read_bytes().count(b"\n") == 2
    assert "√2" in path.read_text(encoding="utf-8")
    assert [{"problem": row.problem, "solution": row.solution} for row in read_rows(path)] == rows


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "rows.json"
    path.write_bytes(b"old")

    def broken():
        yield {"problem": "a"}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(path, broken())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_never_replaced_by_a_file(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.json").write_bytes(b"old")
    with pytest.raises(InputError, match=r"data: is a folder, expected a file to write$"):
        write_rows(tmp_path / "data", [{"problem": "a"}])
    assert (tmp_path / "data" / "rows.json").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("计算 1 + 2", "计算 1 + 2"),
        ({"problem": "计算"}, '{"problem": "计算"}'),
        ("a\n b\t\u2028c", "a b c"),
        ("\x1b[31m\x00\u202e", r"\x1b[31m\x00\u202e"),
        ("a" * 81, "a" * 77 + "..."),
        ("a" * 80, "a" * 80),
    ],
)
def test_a_clipped_text_is_one_harmless_line(value, shown):
    assert clip(value) == shown


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("\u4e00", True),
        ("\u9fff", True),
        ("\u3fff", False),
        ("\ua000", False),
        ("，√", False),
        ("$x$", False),
    ],
)
def test_a_row_is_chinese_by_its_characters(text, chinese):
    assert bool(CHINESE.search(json.loads(json.dumps(text)))) is chinese
