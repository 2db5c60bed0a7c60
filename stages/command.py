"""What every command shares: one-line errors for the user's mistakes, and files that are never half-written."""

import contextlib
import ctypes
import errno
import glob
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Unfinished outputs lie beside the finished ones under names that git and DVC ignore.
PART = ".part-"
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
FULL = 1 << 24  # bytes; with fewer a disk counts as full: MindRecord stops at ten megabytes
LONGEST = 800  # characters of an error
DEEPEST = 100  # levels of a document; Python's own bound depends on how deep its caller stands
# Names of environment variables that hold a secret (AWS_SECRET_ACCESS_KEY, HF_TOKEN), and secrets in addresses.
SECRET_NAME = re.compile(r"(KEY|KEY_ID|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|_AK|_SK)$", re.IGNORECASE)
SECRET_LENGTH = 8  # a shorter one is a word
USER_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+@")
SIGNATURE = re.compile(r"(?i)([?&](?:[\w-]*(?:signature|credential|token|key|keyid|password))=)[^&\s'\"]+")
HIDDEN = "***"
NAMES = {dict: "a JSON object", list: "a JSON array", str: "a text", type(None): "null"}


class InputError(ValueError):
    """The user's input is wrong; the message names the place, what was there and what was expected.

    It is one line that a terminal can show, whatever was found: files and libraries put their own words in.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Return a text with what does not print escaped, and of a long one the beginning and the end."""
    if len(text) > LONGEST:
        half = LONGEST // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def run(main: Callable[[], int | None]) -> None:
    """Run a command's main: one line on standard error and exit code 1 for a user's mistake.

    Anything but InputError and OSError is our own mistake and keeps its traceback. No line shows a key.
    """
    # A stopped run tidies up like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = main() or 0
        sys.stdout.flush()  # a full disk is told here, not when Python ends
    except BrokenPipeError:  # the reader of our output has left: `make workings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except InputError as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        code = 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {redacted(one_line(f'{place}{error.strerror or error}'))}", file=sys.stderr)
        code = 1
    except MemoryError:
        print("error: there is not enough memory; what existed before is unchanged", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted: what existed before is unchanged", file=sys.stderr)
        code = 130
    except Exception:
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        code = 1
    sys.exit(code)


def redacted(text: str) -> str:
    """Return a text without passwords in addresses, signatures, and what the environment calls a key or a token.

    pip, DVC and the libraries under them put addresses into their reasons.
    """
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= SECRET_LENGTH:
            text = text.replace(value, HIDDEN)
    text = USER_IN_ADDRESS.sub(f"{HIDDEN}@", text)
    return SIGNATURE.sub(rf"\1{HIDDEN}", text)


def end_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder); put it in place only if all went well.

    A full disk says nothing of the file, a read-only one names the unfinished one: the error names `path`.
    """
    prefix = f"{PART}{path.name}-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{glob.escape(prefix)}*"):  # by a run that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
            part = Path(folder) / path.name
            try:
                yield part
            except (InputError, OSError):
                raise
            except Exception as error:  # MindSpore tells of a full disk by a RuntimeError of twenty lines
                if free_bytes(path.parent) < FULL:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                raise
            put(part, path)
    except OSError as error:
        if error.filename is None or prefix in str(error.filename):
            error.filename = str(path)
        raise


def put(part: Path, path: Path) -> None:
    """Put what was written at `part` in the place of `path`."""
    if path.is_dir() and part.is_file():
        raise InputError(f"{path}: is a folder, expected a file to write")
    if not path.is_dir() or path.is_symlink():
        part.replace(path)
        return
    # A folder cannot be renamed over another one: the old one steps aside, and back if need be.
    aside = path.rename(part.with_name(f"{path.name}.old"))
    try:
        part.replace(path)
    except OSError:
        aside.rename(path)
        raise


def read_text(path: Path, expected: str = "a text file") -> str:
    """The UTF-8 text of a file; InputError names the file if there is none or the byte that is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected {expected}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8, expected {expected}") from None


def read_json(path: Path, expected: str, kind: type = dict) -> Any:
    """Read a JSON file whose outermost value is a `kind`; InputError names the file, and the line, if it is not.

    `expected` says what the file should be.
    """
    text = read_text(path, expected)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not JSON ({error.msg}), expected {expected}"
        ) from None
    except (RecursionError, ValueError):
        raise InputError(f"{path}: nested too deep or a number too long, expected {expected}") from None
    if too_deep(text, value):
        raise InputError(f"{path}: nested too deep, expected {expected}")
    if "\\ud" in text.lower() and holds_surrogate(text):
        raise InputError(f"{path}: holds a lone surrogate, which is no character, expected {expected}")
    if not isinstance(value, kind):
        raise InputError(f"{path}: found {NAMES.get(type(value), value)}, expected {expected}")
    return value


def too_deep(text: str, value: Any) -> bool:
    """Whether a JSON text, and its value, has more than DEEPEST levels."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return bool(level)


def holds_surrogate(text: str) -> bool:
    """Whether JSON has half of a surrogate pair: JSON allows it, but it cannot be written as text."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):  # not JSON: the parser will say so
        return False
    return False


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented UTF-8 JSON, keys in their given order, in one step."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def check_room(path: Path, needed: int) -> None:
    """Raise InputError unless the disk that holds `path` (or will) has room for so many bytes."""
    if free_bytes(path) < needed:
        raise InputError(f"{path}: {free_bytes(path):,} bytes are free on its disk, expected {needed:,}")


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path` (or will)."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
