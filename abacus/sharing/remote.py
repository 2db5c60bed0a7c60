"""The remote that `make remote` wrote, as DVC reads it from .dvc/config and .dvc/config.local."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from abacus.core.errors import InputError
from abacus.pipeline.reason import reason

if TYPE_CHECKING:
    from dvc.repo import Repo

SETUP = "`make remote BUCKET=name REGION=region` sets one up"


@dataclass(frozen=True)
class Remote:
    """A bucket (s3), or the same objects at a public address (https), and the options that DVC has for it."""

    name: str
    url: str
    options: dict[str, Any]

    @property
    def public(self) -> bool:
        """Whether it is read without credentials, by plain https."""
        return self.url.startswith("https://")

    @property
    def bucket(self) -> str:
        """The bucket's name (of an s3 remote)."""
        return urlsplit(self.url).netloc

    @property
    def endpoint(self) -> str:
        """The server's address."""
        if self.public:
            return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        return self.options.get("endpointurl") or "https://s3.amazonaws.com"

    @property
    def host(self) -> str:
        """The host that botocore will ask: the bucket's own, or the endpoint's if that is an IP address."""
        from botocore.utils import is_valid_ipv4_endpoint_url, is_valid_ipv6_endpoint_url

        host = urlsplit(self.endpoint).hostname or ""
        numeric = is_valid_ipv4_endpoint_url(self.endpoint) or is_valid_ipv6_endpoint_url(self.endpoint)
        return host if self.public or numeric else f"{self.bucket}.{host}"

    def __str__(self) -> str:
        return self.url if self.public else f"{self.url} at {self.endpoint}"

    def key(self, name: str) -> str:
        """The key of a name below the remote's prefix."""
        prefix = urlsplit(self.url).path.strip("/")
        return f"{prefix}/{name}" if prefix else name

    def object_key(self, oid: str) -> str:
        """The key where DVC keeps the content with this MD5 (and `.dir`, for the list of a folder)."""
        return self.key(f"files/md5/{oid[:2]}/{oid[2:]}")


@contextmanager
def opened() -> Iterator["Repo"]:
    """The DVC repository in the current folder, its chatter kept off the screen."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    for name in ("dvc", "dvc_data", "dvc_objects", "asyncio", "botocore", "aiobotocore", "s3fs"):
        log = logging.getLogger(name)
        # Nothing is printed, but the level stays: DVC shows its bars only at this one.
        log.setLevel(logging.ERROR)
        log.propagate = False
        log.addHandler(logging.NullHandler())
    try:
        with Repo() as repo:
            yield repo
    except NotDvcRepoError:
        raise InputError("here", "no .dvc folder", "to run in a clone of the repository") from None
    except DvcException as error:
        raise reason(error) from error


def one_line(error: BaseException) -> str:
    """What an error of DVC says, with its cause, on one line."""
    said = [" ".join(str(part).split()) for part in (error, error.__cause__) if part and str(part)]
    return ": ".join(said) or type(error).__name__


def chosen(repo: "Repo") -> Remote:
    """The default remote; InputError if there is none, or it is no bucket."""
    name = repo.config["core"].get("remote")
    if not name:
        raise InputError(".dvc/config", "no remote is set", "a bucket to share through", SETUP)
    options = dict(repo.config["remote"].get(name) or {})
    url = options.pop("url", "")
    if not url.startswith(("s3://", "https://")):
        raise InputError(
            ".dvc/config", f"the remote '{name}' is at {url or 'no address'}", "s3:// or https://", SETUP
        )
    return Remote(name, url, options)
