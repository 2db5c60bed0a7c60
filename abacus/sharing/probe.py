"""One check each of what lies between here and a bucket. A check returns a remark, or raises what went wrong."""

import contextlib
import os
import secrets
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from abacus.core.errors import InputError
from abacus.sharing.advice import CHECKSUM, CLOCK, DENIED, KEYS, REGION
from abacus.sharing.remote import Remote

SKEW = 15 * 60  # seconds: what S3 allows
WAIT = 15
FOLDER = ".share-check"  # below the remote's prefix
PART = 5 << 20  # the least that S3 takes as a part that is not the last


def environment(remote: Remote) -> str:
    """Whether the settings that OBS needs are those in force, and where the keys come from."""
    from botocore.session import Session

    own = os.environ.get("AWS_CONFIG_FILE")
    expected = remote.options.get("configpath")
    os.environ.setdefault("AWS_CONFIG_FILE", str(expected or ""))
    session = Session(profile=remote.options.get("profile"))
    style = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
    checksum = session.get_config_variable("request_checksum_calculation")
    if checksum != "when_required" or style != "virtual":
        culprit = f"AWS_CONFIG_FILE={own}" if own else ".dvc/config"
        for name in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_PROFILE"):
            culprit = f"{name}={os.environ[name]}" if os.environ.get(name) else culprit
        raise InputError(
            "", f"{culprit} overrides the settings of .dvc/obs.ini that OBS needs", advice=CHECKSUM
        )
    if remote.options.get("access_key_id"):
        return "settings of .dvc/obs.ini; keys from .dvc/config.local"
    found = session.get_credentials()
    if not found:
        raise InputError("", "no credentials were found", advice=KEYS)
    return f"settings of {own or '.dvc/obs.ini'}; keys from {found.method}"


def name(remote: Remote) -> str:
    """The address of the server's name, or of the proxy's on the way there."""
    from urllib.request import getproxies, proxy_bypass

    host = remote.host
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    asked = (urlsplit(proxy).hostname or proxy) if proxy else host
    try:
        found = socket.getaddrinfo(asked, None, proto=socket.IPPROTO_TCP)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            asked,
            f"no such name ({error.strerror if isinstance(error, OSError) else error})",
            advice="correct REGION by `make remote`, or look at this machine's network",
        ) from None
    return f"{asked} is {found[0][4][0]}" + (", a proxy" if proxy else "")


def answer(remote: Remote, wait: float = WAIT) -> Any:
    """What the server says to a request without credentials: whatever it is, it is there."""
    import requests

    trusted = remote.options.get("ssl_verify", True)
    return requests.get(remote.endpoint, timeout=wait, verify=trusted, allow_redirects=False, stream=True)


def endpoint(remote: Remote) -> str:
    """How long the server takes to answer over TLS."""
    start = time.monotonic()
    answer(remote).close()
    return f"answers over TLS in {(time.monotonic() - start) * 1000:.0f} ms"


def clock(remote: Remote) -> str:
    """How far this machine's clock is from the server's."""
    with answer(remote) as said:
        date = said.headers.get("Date")
    if not date:
        return "the server tells no time"
    off = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(off) > SKEW:
        raise InputError("", f"{off:+,.0f} seconds from the server's, which allows {SKEW}", advice=CLOCK)
    return f"{off:+.0f} s from the server's"


def fail(error: Exception) -> NoReturn:
    """Raise an error that was met before its line."""
    raise error


class Trial:
    """Small objects of its own that go into the bucket, come back and are removed."""

    def __init__(self, remote: Remote, client: Any):
        self.remote, self.client = remote, client
        self.content = secrets.token_bytes(1000)
        self.at = {
            "Bucket": remote.bucket,
            "Key": remote.key(f"{FOLDER}/{secrets.token_hex(8)}"),
        }
        self.whole = self.at | {"Key": self.at["Key"] + "-parts"}
        self.upload = self.existing = ""
        self.written = False
        self.made: list[dict[str, str]] = []

    def bucket(self) -> str:
        """Whether the bucket can be listed, and is in the region that the remote names."""
        said = self.client.list_objects_v2(
            Bucket=self.remote.bucket, Prefix=self.remote.key("files/"), MaxKeys=1
        )
        self.existing = next((item["Key"] for item in said.get("Contents", [])), "")
        headers = said["ResponseMetadata"].get("HTTPHeaders", {})
        place, named = headers.get("x-amz-bucket-region"), self.remote.options.get("region")
        if place and place != named:
            raise InputError("", f"the bucket is in {place}, not in {named}", advice=REGION)
        return f"{self.remote.bucket} can be listed"

    def write(self) -> str:
        """Whether an object is taken."""
        self.made.append(self.at)
        self.client.put_object(**self.at, Body=self.content)
        self.written = True
        return f"{len(self.content):,} bytes"

    def read(self) -> str:
        """Whether it comes back as it was; without it (no permission to write), whether any object can be read."""
        if not self.written:
            if not self.existing:
                return "nothing is there to read"
            self.client.get_object(Bucket=self.remote.bucket, Key=self.existing)["Body"].read(1)
            return "an object that is there"
        back = self.client.get_object(**self.at)["Body"].read()
        if back != self.content:
            raise InputError(
                "", "what came back is not what was written", advice="report it to the server's provider"
            )
        return f"{len(back):,} bytes, as they were"

    def multipart(self) -> str:
        """Whether an object of two parts is put together."""
        parts = [self.content * (PART // len(self.content) + 1), self.content]
        self.upload = self.client.create_multipart_upload(**self.whole)["UploadId"]
        self.made.append(self.whole)
        etags = [
            self.client.upload_part(**self.whole, UploadId=self.upload, PartNumber=number, Body=part)["ETag"]
            for number, part in enumerate(parts, 1)
        ]
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        self.client.complete_multipart_upload(
            **self.whole, UploadId=self.upload, MultipartUpload={"Parts": listed}
        )
        self.upload = ""
        size, expected = self.client.head_object(**self.whole)["ContentLength"], sum(map(len, parts))
        if size != expected:
            raise InputError(
                "",
                f"two parts of {expected:,} bytes became {size:,}",
                advice="report it to the server's provider",
            )
        return f"two parts, {size:,} bytes"

    def delete(self) -> str:
        """Whether objects can be removed, and are gone then."""
        for at in list(self.made):
            self.client.delete_object(**at)
            self.made.remove(at)
        left = self.client.list_objects_v2(Bucket=self.remote.bucket, Prefix=self.at["Key"])
        if left.get("Contents"):
            raise InputError("", "an object was there after it was deleted", advice=DENIED)
        return "the test objects are gone"

    def clean(self) -> None:
        """Remove what is still there, as far as that can be done; the lines above say if it cannot."""
        if self.upload:
            with contextlib.suppress(Exception):
                self.client.abort_multipart_upload(**self.whole, UploadId=self.upload)
        for at in self.made:
            with contextlib.suppress(Exception):
                self.client.delete_object(**at)
