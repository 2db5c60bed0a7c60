"""What went wrong between here and a bucket, and what to do about it: one table of causes."""

import errno
from collections.abc import Iterator
from typing import NamedTuple


class Trouble(NamedTuple):
    """A cause and a line of advice."""

    cause: str
    advice: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.advice}"


KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or keep them in .dvc/config.local by `make remote LOGIN=1`"
REGION = (
    "set the right one by `make remote BUCKET=name REGION=region`; the console shows it beside the bucket"
)
CHECKSUM = "the remote's configpath must be .dvc/obs.ini, and AWS_CONFIG_FILE and AWS_REQUEST_CHECKSUM_CALCULATION unset"
CLOCK = "set this machine's clock (`timedatectl set-ntp true`)"
CERTIFICATE = "if the server's certificate is of your own authority, name it: `make remote ... CA=file.pem`"
DENIED = "ask the bucket's owner to let this key list, read, write and delete below the prefix"

# The codes of S3, and OBS's own where it has others.
CODES = {
    "SignatureDoesNotMatch": Trouble("the secret key is wrong", KEYS),
    "InvalidAccessKeyId": Trouble("the access key is unknown to the server", KEYS),
    "InvalidSecurity": Trouble("the access key is wrong", KEYS),
    "ExpiredToken": Trouble("the temporary credentials have expired", KEYS),
    "InvalidToken": Trouble("the session token is wrong", KEYS),
    "RequestTimeTooSkewed": Trouble("this machine's clock is more than 15 minutes off", CLOCK),
    "RequestExpired": Trouble("this machine's clock is off", CLOCK),
    "AccessDenied": Trouble("no permission", DENIED),
    "AllAccessDisabled": Trouble("no permission", DENIED),
    "NoSuchBucket": Trouble(
        "there is no such bucket", "create it in the console, or correct BUCKET by `make remote`"
    ),
    "InvalidBucketName": Trouble(
        "the server takes no bucket of this name", "correct BUCKET by `make remote`"
    ),
    "PermanentRedirect": Trouble("the bucket is in another region", REGION),
    "TemporaryRedirect": Trouble("the bucket is in another region", REGION),
    "AuthorizationHeaderMalformed": Trouble("the bucket is in another region", REGION),
    "IllegalLocationConstraintException": Trouble("the bucket is in another region", REGION),
    "InvalidLocationConstraint": Trouble("the bucket is in another region", REGION),
    "InvalidRegionName": Trouble("the bucket is in another region", REGION),
    "MissingContentLength": Trouble("the server refused botocore's upload checksum", CHECKSUM),
    "XAmzContentSHA256Mismatch": Trouble("the server refused botocore's upload checksum", CHECKSUM),
    "NotImplemented": Trouble(
        "the server refused a header, as OBS does botocore's upload checksum", CHECKSUM
    ),
    "VirtualHostDomainRequired": Trouble("the server takes no address with the bucket in its path", CHECKSUM),
    "QuotaTooSmall": Trouble(
        "the bucket's quota is used up", "raise it in the console, or delete old versions"
    ),
    "InsufficientStorageSpace": Trouble("the bucket's quota is used up", "raise it in the console"),
    "InArrearsOrInsufficientBalance": Trouble("the account's balance is used up", "top it up in the console"),
    "SlowDown": Trouble(
        "the server asks for fewer requests", "run again later, or lower `jobs` in .dvc/config"
    ),
}
CODES |= {"301": CODES["PermanentRedirect"], "411": CODES["MissingContentLength"]}

AGAIN = "run again later; what has arrived stays"
# Exceptions by name, so that no network library is imported to read a local error.
NAMES = {
    "NoCredentialsError": Trouble("no credentials were found", KEYS),
    "PartialCredentialsError": Trouble("only one of the two keys was found", KEYS),
    "ProfileNotFound": Trouble("AWS_PROFILE names a profile that is not there", f"unset it, and {KEYS}"),
    "ConfigNotFound": Trouble("AWS_CONFIG_FILE names no file that is there", "unset it"),
    "ConfigParseError": Trouble("AWS_CONFIG_FILE is no configuration file", "unset it"),
    "SSLError": Trouble("the server's certificate was not accepted", CERTIFICATE),
    "ClientConnectorCertificateError": Trouble("the server's certificate was not accepted", CERTIFICATE),
    "SSLCertVerificationError": Trouble("the server's certificate was not accepted", CERTIFICATE),
    "ConnectTimeoutError": Trouble("the server does not answer", AGAIN),
    "ReadTimeoutError": Trouble("the server stopped answering", AGAIN),
    "ServerTimeoutError": Trouble("the server stopped answering", AGAIN),
    "TimeoutError": Trouble("the server stopped answering", AGAIN),
    "gaierror": Trouble("there is no such name on this network", AGAIN),
    "EndpointConnectionError": Trouble("the server cannot be reached", AGAIN),
    "ConnectionError": Trouble("the server cannot be reached", AGAIN),
    "HTTPClientError": Trouble("the connection to the server broke", AGAIN),
    "ConnectionClosedError": Trouble("the server closed the connection", AGAIN),
    "ClientConnectionError": Trouble("the connection to the server broke", AGAIN),
    "ClientPayloadError": Trouble("the server closed the connection in the middle of an object", AGAIN),
    "ResponseStreamingError": Trouble("the server closed the connection in the middle of an object", AGAIN),
    "IncompleteReadError": Trouble("the server closed the connection in the middle of an object", AGAIN),
    "PermissionError": Trouble("no permission, or a wrong key", f"{DENIED}; or {KEYS}"),
    # botocore asks for the region of a bucket whose server redirects without naming one, for ever.
    "RecursionError": Trouble("the bucket is in another region", REGION),
    "FileNotFoundError": Trouble("it is not there", "whoever has it: `make push`"),
}
LIBRARIES = {"botocore", "aiobotocore", "aiohttp", "requests", "urllib3", "asyncio", "ssl", "s3fs"}
DISK = {
    errno.ENOSPC: Trouble("no space is left on this disk", "free some and run again; what has arrived stays"),
    errno.EDQUOT: Trouble("the disk quota is used up", "free some and run again; what has arrived stays"),
    errno.EROFS: Trouble("this disk is read-only", "work in a clone on another one"),
}


def explain(error: BaseException) -> Trouble:
    """The cause of an error and a line of advice, from the first in its chain that the tables know."""
    for link in chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", ""))
            if code in CODES:
                return CODES[code]
            if code == "403":
                return NAMES["PermissionError"]
        if isinstance(link, OSError) and link.errno in DISK:
            return DISK[link.errno]
    for link in chain(error):
        for kind in type(link).__mro__:
            if kind.__name__ in NAMES:
                return NAMES[kind.__name__]
    said = " ".join(str(error).split())[:200]
    return Trouble(f"{type(error).__name__}: {said}", AGAIN)


def known(error: Exception) -> bool:
    """Whether the network, the disk or their libraries raised it; anything else is a mistake of our own."""
    return isinstance(error, OSError | RecursionError) or any(
        type(link).__module__.split(".")[0] in LIBRARIES for link in chain(error)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    seen = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__
