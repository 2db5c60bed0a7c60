"""The row reader under atheris, which looks for inputs that reach new lines of it.

    python -m tests.fuzz.coverage [--inputs 200000] [--seconds 300] [--out FOLDER]      (part of `make fuzz`)

libFuzzer ends the process with an exit code other than 0 at a finding, at an input of more than ten seconds, and at
one that takes more than a gigabyte; it saves the input in the folder.
"""

import argparse
import sys
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import atheris

with atheris.instrument_imports(include=["abacus.data.rows", "abacus.core", "jsonlines", "json"]):
    import json
    import json.decoder  # noqa: F401

    import abacus.data.rows  # noqa: F401

from tests.fuzz.readers import check_rows, make_rows
from tests.fuzz.worker import OUT


def seeds(folder: Path) -> None:
    """Write inputs to start from: good rows, and damaged ones as the other fuzzer makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(200):
        (folder / f"{number:03d}").write_bytes(make_rows(Random(number))[1:])  # without the count


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the row reader by coverage.")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT / "atheris")
    to = parser.parse_args()
    corpus, folder = to.out / "corpus", Path(mkdtemp(dir="/dev/shm"))
    seeds(corpus)
    limits = [
        "-timeout=10",
        "-rss_limit_mb=2500",
        "-max_len=4096",
        f"-artifact_prefix={to.out}/",
        "-print_final_stats=1",
    ]
    run = [f"-runs={to.inputs}", f"-max_total_time={to.seconds}", f"-seed={to.seed}", str(corpus)]
    # The number of good rows that stand first is not the fuzzer's to tell: 0 says that nothing is known of them.
    atheris.Setup([sys.argv[0], *limits, *run], lambda data: check_rows(b"\0" + data, folder) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
