"""What git may keep: no large file, no secret, no path of one machine.

    python -m tests.kept FILE...

A hook before a commit (.pre-commit-config.yaml), and a test over all files. Prints a line a finding; exit code 1 if there is one.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST = 1 << 20  # bytes
SECRETS = {
    "AWS key": r"(?<![A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",
    "Huawei AK or SK": r"(?i)\b(ak|sk|access_?key(_?id)?|secret_?access_?key|obs_\w*key)\b[\"']?\s*[:=]\s*[\"']?[A-Z0-9+/]{20,40}\b",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "token": r"(?<![A-Za-z0-9])(hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|glpat-[\w-]{20,}|pypi-[\w-]{40,}|xox[bp]-\w{10,}|sk-[A-Za-z0-9]{32,})",
    "password in an address": r"://[^/\s:@'\"<>${}]+:[^/\s@'\"<>${}*]{6,}@",
}
FORBIDDEN = SECRETS | {"absolute path": r"(^|[\s\"'=(])/(work|home|root|tmp|Users)/\w"}
# An address that only the test of safety gives, with no such host behind it.
ALLOWED = {("tests/journeys/test_safety.py", "password in an address")}


def found(name: str, content: bytes) -> Iterator[str]:
    """What is wrong with a file of this name; of one that is no text only its size can be."""
    if len(content) > LARGEST:
        yield f"{len(content):,} bytes"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for kind, pattern in FORBIDDEN.items():
        if (name, kind) not in ALLOWED and re.search(pattern, text):
            yield kind


def main(names: list[str]) -> int:
    """The exit code."""
    lines = [f"{name}: {what}" for name in names for what in found(name, Path(name).read_bytes())]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
