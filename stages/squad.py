"""Put the real SQuAD v1.1 dev file in place, its hash checked.

python -m stages.squad [--from PATH]      (make squad [FROM=PATH])

Without a path it comes from the public address in data/squad/dev-v1.1.json.dvc. Either way it goes through
DVC's cache: an import whose file DVC has not cached would be fetched again by every `dvc repro`.
"""

import argparse
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from stages.command import InputError, replacing, run
from stages.params import read_yaml

PLACE = Path("data/squad/dev-v1.1.json")
PIN = PLACE.with_name(PLACE.name + ".dvc")
# Rajpurkar et al. 2016, CC BY-SA 4.0
SHA256 = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"


def checked(path: Path) -> Path:
    """Return the path if the file there is the real one; raise InputError if not."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected SQuAD's dev-v1.1.json")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise InputError(f"{path}: its sha256 is {found}, expected {SHA256} (SQuAD's dev-v1.1.json)")
    return path


def install(source: Path) -> None:
    """Copy a checked file into DVC's cache, and from there into its place."""
    md5 = read_yaml(PIN)["outs"][0]["md5"]
    with replacing(cache() / "files" / "md5" / md5[:2] / md5[2:]) as part:
        shutil.copyfile(source, part)
    dvc("checkout", "--quiet", "--force", str(PIN))


def cache() -> Path:
    """Return the folder of DVC's cache."""
    return Path(dvc("cache", "dir").strip())


def dvc(*words: str) -> str:
    """Run DVC and return what it printed; raise InputError with its last line if it failed."""
    done = subprocess.run(["dvc", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise InputError(f"dvc {words[0]}: {lines[-1].removeprefix('ERROR: ')}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Put the real SQuAD dev file in place.")
    parser.add_argument("--from", dest="source", type=Path)
    source = parser.parse_args().source
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            source = Path(folder) / PLACE.name
            try:
                dvc("get-url", read_yaml(PIN)["deps"][0]["path"], str(source))
            except InputError as error:
                raise InputError(f"{error}; with a copy of your own: make squad FROM=path") from None
        install(checked(source))
    print(f"{PLACE} is in place; use it by `predict.squad: {PLACE}` in params.yaml")


if __name__ == "__main__":
    run(main)
