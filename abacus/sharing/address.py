"""What a public https address says of a file before it is downloaded."""

import urllib.error
import urllib.request
from typing import NamedTuple

from abacus.core.errors import InputError
from abacus.sharing.advice import explain

TIMEOUT = 30


class Refused(InputError):
    """The server answers, but does not give the file."""


class There(NamedTuple):
    """Size and ETag of a file at an address."""

    size: int
    etag: str


def head(url: str) -> There:
    """Ask for a file without its content; InputError if the server is not there, Refused if the file is."""
    request = urllib.request.Request(url, method="HEAD", headers={"Accept-Encoding": "identity"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return There(
                int(answer.headers.get("Content-Length") or 0), answer.headers.get("ETag", "").strip('"')
            )
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise Refused(
                "",
                f"{url} is gone (404)",
                advice="a colleague's `make push` may have kept it, ask for `make pull`",
            ) from None
        if error.code == 403:
            raise Refused(
                "", f"{url} is no longer public (403)", advice="ask its owner, or FROM= a mirror"
            ) from None
        raise Refused(url, f"the server says {error.code} {error.reason}", advice="run again later") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None)
        cause = explain(reason if isinstance(reason, BaseException) else error)
        raise InputError(url, str(cause)) from error
