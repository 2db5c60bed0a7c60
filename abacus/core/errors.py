"""The user's mistakes as one printable line, and no line that shows a key."""

import os
import re

LONGEST = 800  # characters of an error
# Names of environment variables that hold a secret (AWS_SECRET_ACCESS_KEY, HF_TOKEN), and secrets in addresses.
SECRET_NAME = re.compile(r"(KEY|KEY_ID|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|_AK|_SK)$", re.IGNORECASE)
SECRET_LENGTH = 8  # a shorter one is a word
USER_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+@")
SIGNATURE = re.compile(r"(?i)([?&](?:[\w-]*(?:signature|credential|token|key|keyid|password))=)[^&\s'\"]+")
HIDDEN = "***"


class InputError(ValueError):
    """The user's input is wrong: where, what was found there, what was expected, and what to do about it.

    As text it is one line that a terminal can show, `PLACE: FOUND, expected EXPECTED; ADVICE`, whatever was found:
    files and libraries put their own words in. Whoever wants to know more than to show it reads the fields.
    """

    def __init__(self, place: object, found: str, expected: str = "", advice: str = "") -> None:
        self.place, self.found, self.expected, self.advice = str(place), found, expected, advice
        text = f"{place}: {found}" if str(place) else found
        text += f", expected {expected}" if expected else ""
        text += f"; {advice}" if advice else ""
        super().__init__(one_line(text))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str, str]]:
        """So that it comes whole out of another process."""
        return type(self), (self.place, self.found, self.expected, self.advice)


def one_line(text: str) -> str:
    """Return a text with what does not print escaped, and of a long one the beginning and the end."""
    if len(text) > LONGEST:
        half = LONGEST // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def redacted(text: str) -> str:
    """Return a text without passwords in addresses, signatures, and what the environment calls a key or a token.

    pip, DVC and the libraries under them put addresses into their reasons.
    """
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= SECRET_LENGTH:
            text = text.replace(value, HIDDEN)
    text = USER_IN_ADDRESS.sub(f"{HIDDEN}@", text)
    return SIGNATURE.sub(rf"\1{HIDDEN}", text)
