"""The remote's address and keys in .dvc/config and .dvc/config.local."""

import argparse
import re
from pathlib import Path
from urllib.parse import urlsplit

from configobj import ConfigObj, ConfigObjError

from abacus.core.errors import InputError
from abacus.core.files import replacing

NAME = "obs"  # the remote with keys
PUBLIC = "public"  # the one without
CONFIG = Path(".dvc/config")
LOCAL = Path(".dvc/config.local")
SETTINGS = "obs.ini"  # beside .dvc/config, which the name is relative to
BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]+")
PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def checked(args: argparse.Namespace) -> tuple[str, str]:
    """The endpoint and the path inside the bucket; InputError for a name that OBS does not take."""
    if not BUCKET.fullmatch(args.bucket):
        raise InputError(
            "",
            f"BUCKET is {args.bucket!r}",
            "3 to 63 lower-case letters, digits and hyphens (OBS's certificate covers no period)",
        )
    if args.region is None and not args.endpoint:
        raise InputError("", "REGION is missing", "the bucket's, such as REGION=cn-southwest-2")
    if args.region is not None and not REGION.fullmatch(args.region):
        raise InputError("", f"REGION is {args.region!r}", "a region's name, such as cn-southwest-2")
    prefix = args.prefix.strip("/")
    if args.prefix and not PREFIX.fullmatch(prefix):
        raise InputError(
            "", f"PREFIX is {args.prefix!r}", "letters, digits, '.', '_' and '-', in folders parted by '/'"
        )
    endpoint = (args.endpoint or f"https://obs.{args.region}.myhuaweicloud.com").rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme != "https" or not parts.hostname or parts.path or "@" in parts.netloc:
        raise InputError("", f"ENDPOINT is {args.endpoint!r}", "https://host or https://host:port")
    return endpoint, prefix


def private(args: argparse.Namespace) -> dict[str, str]:
    """Options of a bucket to read and write with credentials."""
    endpoint, prefix = checked(args)
    return {
        "url": f"s3://{args.bucket}/{prefix}".rstrip("/"),
        "endpointurl": endpoint,
        "region": args.region or "us-east-1",
        "configpath": SETTINGS,
        "connect_timeout": "30",
        "read_timeout": "300",
        "jobs": "4",  # a large object takes up to 500 MB of memory on its way: ten parts of 50
        "verify": "true",
    }


def public(args: argparse.Namespace) -> dict[str, str]:
    """Options of a public bucket, read by https. The host is the bucket's own, unless it is an IP address."""
    from botocore.utils import is_valid_ipv4_endpoint_url, is_valid_ipv6_endpoint_url

    endpoint, prefix = checked(args)
    numeric = is_valid_ipv4_endpoint_url(endpoint) or is_valid_ipv6_endpoint_url(endpoint)
    scheme, host = endpoint.split("://")
    place = f"{scheme}://{host}/{args.bucket}" if numeric else f"{scheme}://{args.bucket}.{host}"
    return {"url": f"{place}/{prefix}".rstrip("/"), "jobs": "4", "verify": "true"}


def read(path: Path) -> ConfigObj:
    """A configuration of DVC, its comments and order kept; empty if there is none."""
    try:
        return ConfigObj(str(path), encoding="utf-8", indent_type="    ")
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise InputError(path, str(error), "a configuration of DVC", f"see `git diff {path}`") from None


def write(path: Path, name: str, options: dict[str, str], default: bool = False, mode: int = 0o644) -> str:
    """Put options into a remote's section in one step; what was the default remote, in words."""
    config = read(path)
    was = ""
    config.setdefault(section(name), {}).update(options)
    if default:
        core = config.setdefault("core", {})
        if core.get("remote", name) != name:
            was = f" (the default was '{core['remote']}')"
        core["remote"] = name
    with replacing(path) as part:
        part.touch(mode)
        with part.open("wb") as file:
            config.write(file)
    return was


def section(name: str) -> str:
    """The section of a remote in a configuration of DVC."""
    return f'remote "{name}"'


def keep(name: str, options: dict[str, str]) -> None:
    """Keep options of a remote in the local configuration.

    The address goes with them: DVC stops at a remote without one, and going back to a version of before
    `make remote` leaves this file where it is.
    """
    write(LOCAL, name, {"url": address(name)} | options, mode=0o600)


def address(name: str) -> str:
    """The address of a remote; InputError if it is not set up."""
    for path in (CONFIG, LOCAL):
        if url := read(path).get(section(name), {}).get("url"):
            return url
    raise InputError(CONFIG, f"no remote '{name}'", "BUCKET=name and REGION=region to set it up")
