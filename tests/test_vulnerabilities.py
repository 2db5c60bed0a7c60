"""The comparison with known vulnerabilities: nothing known is never nothing found."""

from pathlib import Path

import pytest

from stages.command import InputError
from stages.vulnerabilities import known

LOCK = Path("a.lock")
GOOD = {"name": "six", "version": "1.17.0", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}
UNKNOWN = {"name": "mine", "skip_reason": "Dependency not found on PyPI"}


def test_vulnerabilities_are_listed_by_package():
    assert known([GOOD], LOCK, "pypi") == {}
    assert known([GOOD, BAD], LOCK, "pypi") == {"old==1.0": ["PYSEC-1 (mended in 1.1, 2.0)"]}


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (
            [GOOD, UNKNOWN],
            r"a.lock: 1 of 2 packages are unknown to pypi \(mine\), so nothing is known of them",
        ),
        ([], "0 of 0 packages"),
    ],
)
def test_a_package_that_was_not_compared_is_an_error(packages, message):
    with pytest.raises(InputError, match=message):
        known(packages, LOCK, "pypi")


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_a_service_that_cannot_be_reached_is_one_line(stage, error_line, tmp_path, monkeypatch, service):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))  # no answer of an earlier day
    line = error_line(stage("vulnerabilities", lock, "--service", service))
    assert line.startswith(f"{lock}: nothing is known of its packages, for {service} did not answer (")


def test_a_missing_lock_is_one_line(stage, error_line, tmp_path):
    line = error_line(stage("vulnerabilities", tmp_path / "none.lock"))
    assert line == f"{tmp_path / 'none.lock'}: no such file, expected pinned requirements"
