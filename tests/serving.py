"""Servers of the tests' own, on the loopback address and over TLS: S3 by rclone, and plain https."""

import datetime
import functools
import hashlib
import http.server
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY, SECRET = "TESTKEY", "a-secret-that-must-not-be-printed"
RCLONE = Path(sys.executable).with_name("rclone")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class S3:
    """An S3 server by rclone; a bucket is a folder below `store`. It checks signatures and content lengths."""

    def __init__(self, folder: Path):
        self.store = folder / "store"
        self.buckets = [f"bucket-{number:03}" for number in range(100)]
        for name in self.buckets:  # all at once, for rclone remembers for a second what is not there
            (self.store / name).mkdir(parents=True)
        self.cert, self.key = certificate(folder)
        self.address = f"127.0.0.1:{free_port()}"
        self.log = folder / "rclone.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [RCLONE, "serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--addr", self.address]
        command += ["--cert", self.cert, "--key", self.key, "--dir-cache-time", "1s", "--poll-interval", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, self.store],
                stdout=log,
                stderr=log,
                env={**os.environ, "RCLONE_CONFIG": os.devnull},
            )
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", int(self.address.split(":")[1])), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def bucket(self) -> str:
        """The name of an empty bucket."""
        return self.buckets.pop()

    def stop(self) -> None:
        """Kill it, as when a machine fails."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def objects(self, bucket: str) -> dict[str, Path]:
        """Every object of a bucket by its MD5 as DVC names it, with the file that holds it."""
        found = (self.store / bucket).glob("**/files/md5/??/*")
        return {path.parent.name + path.name: path for path in found if path.is_file()}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder with the ETags that OBS gives them, or what the server's attributes say instead."""

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():
            etag = "0" * 32 + "-3" if self.server.parts else hashlib.md5(path.read_bytes()).hexdigest()
            self.send_header("ETag", f'"{etag}"')
        super().end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(timestamp or time.time() + self.server.late)

    def copyfile(self, source, outputfile) -> None:
        content = source.read()
        if self.path.lstrip("/") in self.server.cut:
            content = content[: len(content) // 2]
            self.close_connection = True
        outputfile.write(content)

    def log_message(self, *_) -> None:
        """Say nothing."""


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers every request with one error of S3; those whose method is in `allowed`, with an empty list."""

    def do_GET(self) -> None:
        status, code = self.server.error
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        if self.command in self.server.allowed:
            status, body = 200, b"<ListBucketResult></ListBucketResult>"
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, *_) -> None:
        """Say nothing."""


class Https:
    """The files of a folder over https; without a folder, a server that refuses everything.

    `cut` holds paths whose content ends in the middle; with `parts`, ETags are those of objects of three parts;
    `late` is how many seconds the server's clock is ahead; `error` is a status and a code of S3.
    """

    def __init__(self, folder: Path | None, cert: Path, key: Path):
        handler = functools.partial(Handler, directory=str(folder)) if folder else Refusing
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.allowed: set[str] = set()
        self.server.cut, self.server.parts, self.server.late = set(), False, 0
        self.folder = folder
        self.address = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
