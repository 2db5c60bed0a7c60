"""A look into the bucket behind a remote: which objects are there, how large, and with which ETag."""

import abc
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from abacus.core.errors import InputError
from abacus.sharing.advice import explain, known
from abacus.sharing.remote import Remote

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 20
JOBS = 8
TRIES = 3
TIMEOUT = 20  # seconds until a server that does not answer counts as down
GONE = (403, 404)  # where nobody may list, S3 says "forbidden" of an object that is not there
Heard = Callable[[int], object]


class Found(NamedTuple):
    """An object in the bucket; the ETag is the MD5 of its content if it was put there in one part, as it was."""

    size: int
    etag: str


class Store(abc.ABC):
    """The objects of a remote. Every error is an InputError that names the remote, the cause and what to do."""

    def __init__(self, remote: Remote):
        self.remote = remote

    @abc.abstractmethod
    def look(self, oids: Iterable[str], heard: Heard) -> dict[str, Found]:
        """Those of the `oids` that are there; `heard` is told of every answer."""

    @abc.abstractmethod
    def blocks(self, oid: str) -> Iterator[bytes]:
        """The content of an object, block by block; FileNotFoundError if it is not there."""

    def md5(self, oid: str, heard: Heard) -> str:
        """The MD5 of an object's content, downloaded for it; `heard` is told of every byte."""
        digest = hashlib.md5(usedforsecurity=False)
        with self.trouble():
            for block in self.blocks(oid):
                digest.update(block)
                heard(len(block))
        return digest.hexdigest()

    def content(self, oid: str) -> bytes | None:
        """A small object's content, or None if it is not there."""
        with self.trouble():
            try:
                return b"".join(self.blocks(oid))
            except FileNotFoundError:
                return None

    def trouble(self) -> "Said":
        """A `with` that turns what goes wrong on the network into one line."""
        return Said(self.remote)


class Said:
    """Turn what goes wrong on the network into an InputError of one line."""

    def __init__(self, remote: Remote):
        self.remote = remote

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and known(error):
            raise InputError(self.remote, str(explain(error))) from error


class Bucket(Store):
    """A bucket, asked by botocore with the same settings as DVC's."""

    def __init__(self, remote: Remote):
        super().__init__(remote)
        with self.trouble():
            self.client = client(remote)

    def look(self, oids: Iterable[str], heard: Heard) -> dict[str, Found]:
        by_key = {self.remote.object_key(oid): oid for oid in oids}
        found = {}
        with self.trouble():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.remote.bucket, Prefix=self.remote.key("files/md5/")
            )
            for page in pages:
                for item in page.get("Contents", []):
                    if item["Key"] in by_key:
                        found[by_key[item["Key"]]] = Found(item["Size"], item["ETag"].strip('"'))
                        heard(1)
        return found

    def blocks(self, oid: str) -> Iterator[bytes]:
        key = self.remote.object_key(oid)
        try:
            answer = self.client.get_object(Bucket=self.remote.bucket, Key=key)
        except self.client.exceptions.NoSuchKey as error:
            raise FileNotFoundError(errno.ENOENT, "not in the bucket", key) from error
        yield from answer["Body"].iter_chunks(BLOCK)


class Website(Store):
    """The same objects at a public https address."""

    def __init__(self, remote: Remote):
        import requests

        super().__init__(remote)
        self.session = requests.Session()
        self.session.mount(remote.url, requests.adapters.HTTPAdapter(pool_maxsize=JOBS, max_retries=TRIES))
        # Given with each request: a session's own is overridden by REQUESTS_CA_BUNDLE.
        self.trusted = remote.options.get("ssl_verify", True)

    def look(self, oids: Iterable[str], heard: Heard) -> dict[str, Found]:
        oids = list(oids)

        def head(oid: str) -> Found | None:
            with self.ask("HEAD", oid) as answer:
                heard(1)
                if answer.status_code in GONE:
                    return None
                answer.raise_for_status()
                return Found(int(answer.headers["Content-Length"]), answer.headers.get("ETag", "").strip('"'))

        with self.trouble(), ThreadPoolExecutor(JOBS) as pool:
            return {oid: found for oid, found in zip(oids, pool.map(head, oids), strict=True) if found}

    def ask(self, method: str, oid: str) -> "requests.Response":
        """The answer to a request for an object, its content not yet read."""
        address = f"{self.remote.url.rstrip('/')}/files/md5/{oid[:2]}/{oid[2:]}"
        # The size is of the bytes as they are stored, so they must not be packed on the way.
        return self.session.request(
            method,
            address,
            stream=True,
            timeout=TIMEOUT,
            verify=self.trusted,
            headers={"Accept-Encoding": "identity"},
        )

    def blocks(self, oid: str) -> Iterator[bytes]:
        with self.ask("GET", oid) as answer:
            if answer.status_code in GONE:
                raise FileNotFoundError(errno.ENOENT, "not at the address", answer.url)
            answer.raise_for_status()
            yield from answer.iter_content(BLOCK)


def open_store(remote: Remote) -> Store:
    """The objects of the remote."""
    return Website(remote) if remote.public else Bucket(remote)


def client(remote: Remote) -> Any:
    """A client of botocore as DVC makes one: its options, the same configuration file, the same environment."""
    from botocore.config import Config
    from botocore.session import Session

    options = remote.options
    if options.get("configpath"):  # as DVC does: a file of the user's own goes first
        os.environ.setdefault("AWS_CONFIG_FILE", str(options["configpath"]))
    config = Config(
        connect_timeout=min(int(options.get("connect_timeout", TIMEOUT)), TIMEOUT),
        read_timeout=int(options.get("read_timeout", 60)),
        retries={"total_max_attempts": TRIES},
    )
    return Session(profile=options.get("profile")).create_client(
        "s3",
        region_name=options.get("region"),
        endpoint_url=options.get("endpointurl"),
        verify=options.get("ssl_verify"),
        aws_access_key_id=options.get("access_key_id"),
        aws_secret_access_key=options.get("secret_access_key"),
        aws_session_token=options.get("session_token"),
        config=config,
    )
