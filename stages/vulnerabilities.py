"""Compare the pinned packages with those that are known to be vulnerable.

    python -m stages.vulnerabilities [--service pypi] [requirements.lock]      (make vulnerabilities [SERVICE=osv])

pip-audit asks PyPI, or OSV, for every version in the lock. A service that cannot be asked, or does not know a
package, is an error: nothing is known then, which is not the same as nothing found.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.command import InputError, run

LOCK = Path("requirements.lock")
SHOWN = 3


def ask(lock: Path, service: str) -> list[dict[str, Any]]:
    """Return what pip-audit says of each package of a lock; InputError with its reason if it says nothing."""
    if not lock.is_file():
        raise InputError(f"{lock}: no such file, expected pinned requirements")
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(lock),
        "--vulnerability-service",
        service,
    ]
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(
            f"{lock}: nothing is known of its packages, for {service} did not answer ({reason})"
        ) from None


def known(packages: list[dict[str, Any]], lock: Path, service: str) -> dict[str, list[str]]:
    """Return the vulnerabilities by package (name==version); InputError if any package has not been compared."""
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped or not packages:
        some = ", ".join(skipped[:SHOWN])
        raise InputError(
            f"{lock}: {len(skipped)} of {len(packages)} packages are unknown to {service} ({some}), "
            "so nothing is known of them; expected an answer for each"
        )
    found = {}
    for package in packages:
        names = [
            f"{vuln['id']} (mended in {', '.join(vuln['fix_versions']) or 'none'})"
            for vuln in package["vulns"]
        ]
        if names:
            found[f"{package['name']}=={package['version']}"] = names
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lock", type=Path, nargs="?", default=LOCK)
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi")
    to = parser.parse_args()
    packages = ask(to.lock, to.service)
    found = known(packages, to.lock, to.service)
    for package, names in found.items():
        print(f"{package}: {'; '.join(names)}")
    print(f"{to.lock}: {len(packages)} packages, {len(found)} with known vulnerabilities", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
