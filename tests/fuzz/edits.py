"""Damage: to bytes, to texts, to JSON documents and to YAML files, all drawn from a `Random`."""

import copy
import json
from random import Random
from typing import Any

# Bytes that readers are known to stumble over, and those that mean something to them.
PIECES = (
    *(b"\n", b"\r\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbb\xbf"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-Infinity", b"1e9999"),
    *(
        b"\\ud800",
        b"\\u0000",
        b"\xe2\x80\xa8",
        b"\x1b[31m",
        b"[" * 1100,
        b'{"a":' * 1100,
        b"9" * 4000,
        b"9" * 5000,
    ),
    *("计算".encode(), "１２".encode(), "١٢".encode(), "−".encode(), "\u202e".encode()),
)
NUMBERS = (
    0,
    1,
    2,
    3,
    127,
    128,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
# Stand for JSON that Python's own writer would not write.
RAW = {
    '"@digits"': "7" * 4000,
    '"@more digits"': "7" * 5000,
    '"@large"': "1e9999",
    '"@deep"': "[" * 900 + "]" * 900,
    '"@deeper"': '{"a": ' * 990 + "1" + "}" * 990,
    '"@endless"': "[" * 100_000,
}
VALUES = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        2**31,
        2**63,
        2**64,
        10**30,
        10**400,
        0.5,
        -0.0,
        1e308,
        float("inf"),
    ),
    *(
        float("nan"),
        "",
        " ",
        "x",
        "default",
        "1",
        "\ud800",
        "\x00",
        "a\nb",
        "\u2028",
        "１２",
        "١٢",
        "a" * 5000,
        "../x",
    ),
    *([], {}, [[]], [{}], {"a": {}}, [None], ["x"], [1, 2], {"type": "x"}, [0] * 300),
    *("@digits", "@more digits", "@large", "@deep", "@deeper", "@endless"),
)


def edited(random: Random, data: bytes, head: int | None = None) -> bytes:
    """Return bytes with one to four edits; those below `head` bytes are hit as often as all the others."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        end = min(head, len(data)) if head and random.random() < 0.5 else len(data)
        data = edit(random, data, random.randint(0, end))
    return data


def edit(random: Random, data: bytes, at: int) -> bytes:
    """Return bytes with one edit at a place."""
    size = random.choice((1, 1, 2, 4, 8, random.randint(1, 64)))
    kind = random.randrange(8)
    if kind == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + size :]
    if kind == 2:
        return data[:at] + data[at : at + size] * random.choice((2, 2, 3, 50)) + data[at + size :]
    if kind == 3:
        return data[:at] if random.random() < 0.3 else data[:at] + random.randbytes(size)
    if kind == 4:
        other = random.randint(0, len(data))
        return data[:at] + data[other : other + size] + data[at + size :]
    if kind == 5:
        width = random.choice((1, 2, 4, 8))
        number = random.choice(NUMBERS) % 256**width
        return (
            data[:at]
            + number.to_bytes(width, random.choice(("little", "little", "big")))
            + data[at + width :]
        )
    if kind == 6:
        return data[:at] + random.randbytes(size) + data[at + size :]
    return data[:at] + random.choice(PIECES) + data[at:]


def edited_json(random: Random, document: Any) -> bytes:
    """Return a document's JSON with one to three values changed, and now and then its bytes too."""
    document = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 2, 3))):
        document = edit_value(random, document)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 2)))
    for mark, raw in RAW.items():
        text = text.replace(mark, raw)
    data = text.encode("utf-8", "surrogatepass")
    return edited(random, data) if random.random() < 0.2 else data


def edit_value(random: Random, value: Any) -> Any:
    """Return a document in which one value, at any depth, is another, gone, doubled or under another key."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.15:
        return copy.deepcopy(random.choice(VALUES))
    key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if random.random() < 0.7:
        value[key] = edit_value(random, value[key])
        return value
    kind = random.randrange(4)
    if kind == 0:
        del value[key]
    elif kind == 1 and isinstance(value, list):
        value.insert(key, copy.deepcopy(value[key]))
    elif kind == 1:
        value[random.choice(("", "a", key + "x", key.upper(), "a\nb", "\ud800"))] = copy.deepcopy(value[key])
    elif kind == 2:
        value[key] = [value[key]]
    else:
        value[key] = copy.deepcopy(random.choice(VALUES))
    return value


# What a user, or somebody who wants harm, may write behind a key in YAML.
SCALARS = (
    *(
        "",
        "~",
        "yes",
        "0",
        "-1",
        "1",
        "3",
        "100",
        "2147483648",
        "0.5",
        "1e9999",
        "1.0e+9999",
        ".inf",
        "-.inf",
        ".nan",
    ),
    *(
        "9" * 4000,
        "9" * 5000,
        "0x" + "f" * 5000,
        "0b" + "1" * 60_000,
        "0x",
        "0x_",
        "0b_",
        "0o7",
        "017",
        "08",
        "_",
        "1_0",
    ),
    *(
        "1:99:99",
        "190:20:30.15",
        "2001-01-01",
        "2001-99-99",
        "2001-01-01 99:99:99",
        "2001-12-14t21:59:43.10-99:30",
    ),
    *(
        "=",
        "<<",
        "*a",
        "&a [*a]",
        "&a {b: *a}",
        "[]",
        "{}",
        "[1, [2]]",
        "{a: 1}",
        "{1: 2}",
        "{[1]: 2}",
        "{? 1}",
    ),
    *(
        '"\\ud800"',
        '"\\x00"',
        '"a\\nb"',
        '"\\u2028"',
        "'",
        '"',
        "|",
        ">",
        "@",
        "`",
        "%",
        "- 1",
        "? 1",
        "!!x y",
        "! y",
    ),
    *(
        "!!int x",
        "!!int ''",
        "!!float x",
        "!!bool x",
        "!!null x",
        "!!binary '?'",
        "!!binary QQ==",
        "!!timestamp x",
    ),
    *(
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!str 5",
        "!!seq x",
        "!!map x",
        "!!python/name:os.system",
    ),
    *(
        "!!python/object/apply:os.system [x]",
        "a" * 5000,
        "[" * 400,
        "{a: " * 300,
        "١٢",
        "１２",
        "1,5",
        "cached",
        "CPU",
    ),
)
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
NESTED_LAUGHS = "".join(f"{' ' * n}a{n}: &a{n}\n" for n in range(40))


def edited_yaml(random: Random, text: str) -> bytes:
    """Return a YAML file with one to three lines changed, and now and then its bytes too."""
    lines = text.splitlines()
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        lines[at : at + 1] = edit_line(random, lines[at], lines)
        lines = lines or ["a: 1"]
    data = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    return edited(random, data) if random.random() < 0.2 else data


def edit_line(random: Random, line: str, lines: list[str]) -> list[str]:
    """Return what stands in a line's place."""
    key, colon, _ = line.partition(":")
    kind = random.randrange(8)
    if kind <= 3 and colon:
        return [f"{key}: {random.choice(SCALARS)}"]
    if kind == 4:
        return [] if random.random() < 0.5 else [line, line]
    if kind == 5:
        return [line, f"{' ' * random.randrange(5)}{random.choice(SCALARS)}: {random.choice(SCALARS)}"]
    if kind == 6:
        return [" " * random.randrange(6) + line.lstrip(), random.choice(lines)]
    if random.random() < 0.5:
        return [line, random.choice(("<<: *a", "<<: {a: 1}", "<<: [1]", "---", "...", "%YAML 9.9", "\t"))]
    return [*(LAUGHS if random.random() < 0.5 else NESTED_LAUGHS).splitlines(), f"{key}: *a11"]
