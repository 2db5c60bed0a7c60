"""What DVC's exceptions say, as one line of ours."""

import re
from collections.abc import Iterator
from pathlib import Path

from abacus.core.documents import check_merged
from abacus.core.errors import InputError

COLOUR = re.compile("\x1b\\[[0-9;]*m")


def reason(error: BaseException) -> InputError:
    """The InputError for an exception of DVC's: its words and those of what it was raised from.

    Of a YAML file that cannot be read it names the place in it; DVC prints that beside its exception.
    """
    from dvc.lock import LockError
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    links = list(_links(error))
    for link in links:
        if isinstance(link, LockError):
            return InputError(
                ".dvc/tmp", "another DVC is at work in this folder", "its end", "then run again"
            )
        if isinstance(link, YAMLSyntaxError):
            path = Path(link.relpath)
            try:
                check_merged(link.yaml_text, path)
            except InputError as conflict:
                return conflict
            mark = getattr(link.__cause__, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(link.__cause__, "problem", None) or "cannot be read"
            return InputError(f"{path}{line}", f"not valid YAML: {problem}")
        if isinstance(link, YAMLValidationError):
            first = link.exc.errors[0]
            place = ".".join(map(str, first.path))
            return InputError(
                Path(link.path), f"{place or 'the file'}: {first.error_message}", "what DVC knows"
            )
    words = [COLOUR.sub("", str(link)).strip().rstrip(".") for link in links]
    return InputError("", ": ".join(word for word in words if word) or type(error).__name__)


def _links(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
