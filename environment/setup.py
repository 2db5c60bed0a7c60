"""Make .venv, the environment of exact versions, or mend one that was interrupted, renamed or made by another Python.

    python3.11 environment/setup.py [--test | --peers] [--dry-run]  (make setup [PYTHON=python3.11] [SYSTEM_MINDSPORE=1])

--peers makes .venv-peers instead: what `make bench` compares with, on x86-64. Nothing else uses it.

Any Python 3 can read this file, so that a wrong one is told before anything is downloaded. All that is said goes to
standard error. On a host with Ascend's NPUs the MindSpore of PYTHON is used, if it has one; SYSTEM_MINDSPORE=1 asks
for it elsewhere, SYSTEM_MINDSPORE=0 declines it.
"""

import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

EXPECTED = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCKS = {name: "environment/%s.lock" % name for name in ("run", "test", "peers")}
READY = {"run": ".ready", "test": ".ready-test", "peers": ".ready"}
OURS, PEERS = ".venv", ".venv-peers"
SIZES = {OURS: "3.5 GB", PEERS: "1.5 GB"}
# The builds for CPUs alone, a tenth of the index's size; tried where pip's own places have none.
CPU_BUILD, CPU_INDEX = "+cpu", "https://download.pytorch.org/whl/cpu"
BUILD = ("setuptools", "wheel")  # what builds the packages that are sources only
SHEBANG = re.compile(rb"\A#!(?P<python>[^\n]*/bin/python[\d.]*)\n")
# pip's form where the path has a blank or is too long for a first line
EXEC = re.compile(
    rb"\A#!/bin/sh\n'''exec' \"?(?P<python>[^\n]*?/bin/python[\d.]*)\"? \"\$0\" \"\$@\"\n' '''\n"
)
LONGEST = 127  # bytes of a first line


class SetupError(Exception):
    """What stands in the way, in one line: place, found, expected."""


def say(text):
    """Print a line to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def check_python():
    """SetupError unless this Python is the expected one and can make environments."""
    if sys.version_info[:2] != EXPECTED:
        raise SetupError(
            "%s: found Python %d.%d.%d, expected 3.11.x; name another: make setup PYTHON=/path/to/python3.11"
            % ((sys.executable,) + tuple(sys.version_info[:3]))
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupError(
            "%s: found no module %s, expected it; Debian and Ubuntu have it in `apt install python3.11-venv`"
            % (sys.executable, error.name)
        )


def read(path):
    """Return a text file's content, or "" if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def settings(place):
    """Return pyvenv.cfg as a dict."""
    pairs = (
        line.split("=", 1) for line in read(os.path.join(place, "pyvenv.cfg")).splitlines() if "=" in line
    )
    return {name.strip(): value.strip() for name, value in pairs}


def state(place):
    """Return what is there: "none", "other" (of another Python), "broken" (interrupted, or its Python is gone), "good"."""
    found = settings(place).get("version")
    if not found:
        return "broken" if os.path.isdir(place) and os.listdir(place) else "none"
    if found.split(".")[:2] != [str(part) for part in EXPECTED]:
        return "other"
    try:
        asked = subprocess.call(
            [
                os.path.join(place, "bin", "python"),
                "-c",
                "import pip, sys; sys.exit(sys.version_info[:2] != (3, 11))",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return "broken"
    return "broken" if asked else "good"


def entries(lock):
    """Return a lock's entries by package name: {name: [lines of an entry, ...]}."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", "\n" + read(os.path.join(ROOT, lock))):
        name = re.match(r"([a-z0-9._-]+)==", block)
        if name:
            found.setdefault(name.group(1), []).append(block.split("\n    #")[0])
    return found


def pinned(name):
    """Return the version of a package in the lock."""
    return re.match(r"[^=]+==(\S+)", entries(LOCKS["run"])[name][0]).group(1)


def system_mindspore():
    """Return the version of this Python's own MindSpore if it is to be used, else None."""
    import importlib.metadata
    import importlib.util

    wish = os.environ.get("SYSTEM_MINDSPORE", "").lower()
    ascend = glob.glob("/dev/davinci*") or any(
        os.environ.get(name) for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")
    )
    if wish in ("0", "no", "false") or not (wish or ascend):
        return None
    try:
        spec = importlib.util.find_spec("mindspore")
        return importlib.metadata.version("mindspore") if spec else missing_mindspore(wish)
    except importlib.metadata.PackageNotFoundError:
        return missing_mindspore(wish)


def missing_mindspore(wish):
    """Return None, or raise SetupError if MindSpore was asked for."""
    if wish:
        raise SetupError("%s: found no MindSpore, expected one for SYSTEM_MINDSPORE=1" % sys.executable)


def tell_mindspore(version):
    """Say which MindSpore is used, and how it compares with the lock's."""
    ours = pinned("mindspore")
    same = "the lock's version" if version == ours else "the lock has %s, which is what was tested" % ours
    say("MindSpore %s of %s is used (%s)" % (version, sys.executable, same))


class Steps:
    """The commands, run one after another, or only shown."""

    def __init__(self, dry):
        self.dry = dry

    def command(self, *words):
        """Run a command with its output on standard error; SetupError if it fails."""
        code = self.code(*words)
        if code:
            raise SetupError(
                "%s: ended with %d, expected 0; the lines above say why, run it again to go on"
                % (" ".join(words[:4]), code)
            )

    def code(self, *words):
        """Run a command with its output on standard error; its exit code."""
        if self.dry:
            say("would run: " + " ".join(words))
            return 0
        # PIP_USER would have pip install outside of the environment
        env = dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
        return subprocess.call(words, stdout=sys.stderr.fileno(), env=env)

    def write(self, path, text):
        """Write a text file, whole or not at all."""
        if self.dry:
            say("would write: %s" % path)
            return
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".part", path)


def make(steps, place, name, shared):
    """Make the environment `name`, or what is missing of it; `shared`: PYTHON's packages can be seen from it."""
    found = state(place)
    was_shared = settings(place).get("include-system-site-packages") == "true"
    if found == "good" and was_shared == shared:
        return
    words = [sys.executable, "-m", "venv"] + (["--system-site-packages"] if shared else [])
    if found in ("other", "broken"):
        if os.path.islink(os.path.join(ROOT, name)):
            raise SetupError(
                "%s: found a link to an environment that is %s, expected one of 3.11; rm %s"
                % (name, found, name)
            )
        say("%s is %s: made anew" % (name, {"other": "another Python's", "broken": "not whole"}[found]))
        words.append("--clear")
    else:
        say("making %s: %s, a few minutes the first time" % (name, SIZES[name]))
    steps.command(*(words + [place]))
    if found == "good" and shared:
        steps.command(python_of(place), "-m", "pip", "uninstall", "--yes", "mindspore")


def python_of(place):
    """Return the environment's Python."""
    return os.path.join(place, "bin", "python")


def site_of(place):
    """Return the environment's folder of packages."""
    return os.path.join(place, "lib", "python3.11", "site-packages")


def see_base(steps, place, shared):
    """Have the environment see PYTHON's packages where that is itself a virtual environment."""
    path = os.path.join(site_of(place), "base.pth")
    if shared and sys.prefix != sys.base_prefix:
        steps.write(path, site_of(sys.prefix) + "\n")
    elif os.path.exists(path) and not steps.dry:
        os.remove(path)


def mend_scripts(place):
    """Have the scripts start the Python that lies beside them, wherever the folder was; how many were mended."""
    python = os.fsencode(python_of(place))
    head = b"#!" + python + b"\n"
    if b" " in python or len(head) > LONGEST:
        head = b"#!/bin/sh\n'''exec' \"" + python + b'" "$0" "$@"\n\' \'\'\'\n'
    mended = 0
    for path in glob.glob(os.path.join(glob.escape(place), "bin", "*")):
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            if file.read(2) != b"#!":
                continue
            text = b"#!" + file.read()
        match = SHEBANG.match(text) or EXEC.match(text)
        if match and os.path.dirname(match.group("python")) != os.path.dirname(python):
            replace_bytes(path, head + text[match.end() :])
            mended += 1
    return mended


def replace_bytes(path, content):
    """Write a file anew, whole or not at all, with the mode that it had."""
    with open(path + ".part", "wb") as file:
        file.write(content)
    shutil.copymode(path, path + ".part")
    os.rename(path + ".part", path)


def mend_place(place):
    """Have what names the environment's own folder name the one it is in."""
    for name in ("activate", "activate.csh", "activate.fish"):
        path = os.path.join(place, "bin", name)
        text = read(path)
        new = re.sub(
            r"^(\s*(?:VIRTUAL_ENV=|setenv VIRTUAL_ENV |set -gx VIRTUAL_ENV )).*$",
            lambda found: found.group(1) + '"%s"' % place,
            text,
            flags=re.MULTILINE,
        )
        if new != text:
            replace_bytes(path, new.encode("utf-8"))
    path = os.path.join(place, "pyvenv.cfg")
    text = read(path)
    new = re.sub(r"(?m)^(command = .* -m venv (?:--\S+ )*).*$", lambda found: found.group(1) + place, text)
    if new != text:
        replace_bytes(path, new.encode("utf-8"))


def forget_unfinished(place):
    """Remove the records of packages whose installation was killed, so that pip installs them again."""
    for path in glob.glob(os.path.join(glob.escape(site_of(place)), "*.dist-info")):
        if not os.path.exists(os.path.join(path, "INSTALLER")):
            say("%s was not installed to its end: again" % os.path.basename(path))
            shutil.rmtree(path)


def install(steps, place, lock, without=()):
    """Install a lock's packages, by their hashes. A lock is complete, so pip resolves nothing.

    What is built from source is built by the lock's own setuptools, which therefore comes first.
    """
    wanted = entries(lock)
    pip = [python_of(place), "-m", "pip", "install", "--require-hashes", "--no-deps", "--progress-bar", "on"]
    first = [name for name in BUILD if name in wanted]
    cpu = [name for name in wanted if CPU_BUILD in wanted[name][0].split("\\")[0]]
    rest = [name for name in wanted if name not in without and name not in first + cpu]
    for names in (first, cpu, rest):
        if names:
            path = os.path.join(place, "requirements.txt")
            steps.write(path, "\n".join(line for name in names for line in wanted[name]) + "\n")
            say("installing %d packages of %s" % (len(names), lock))
            words = pip + ["--no-build-isolation", "-r", path]
            if names == cpu and not steps.dry and not steps.code(*words):
                continue
            steps.command(*(words + (["--index-url", CPU_INDEX] if names == cpu else [])))


def mark(place, lock, version):
    """Return what a ready-file says: where the environment is, of what lock, with whose MindSpore."""
    with open(os.path.join(ROOT, lock), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return "%s\n%s\nmindspore %s\n" % (place, digest, version or "of the lock")


def setup(folder, names, dry):
    """Make or mend the environment `folder` with the packages of these locks."""
    check_python()
    steps = Steps(dry)
    place = os.path.realpath(os.path.join(ROOT, folder))
    version = system_mindspore() if folder == OURS else None
    if version:
        tell_mindspore(version)
    make(steps, place, folder, bool(version))
    see_base(steps, place, bool(version))
    if not dry:
        mend_place(place)
        mended = mend_scripts(place)
        if mended:
            say("%s has moved to %s: %d scripts were mended" % (folder, place, mended))
        forget_unfinished(place)
    for name in names:
        ready, content = os.path.join(place, READY[name]), mark(place, LOCKS[name], version)
        if read(ready).split("\n", 1)[1:] != content.split("\n", 1)[1:]:
            install(steps, place, LOCKS[name], ("mindspore",) if version else ())
        steps.write(ready, content)


def leave_environment():
    """Go on as the Python that .venv was made from, if this one is its own: its packages are ours, not the host's."""
    own = [os.path.realpath(os.path.join(ROOT, name)) for name in (OURS, PEERS)]
    inside = os.path.realpath(sys.prefix) in own
    base = os.path.realpath(sys.executable)
    if inside and base != sys.executable:
        os.execv(base, [base] + sys.argv)


def main():
    """Set up; the exit code."""
    leave_environment()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--test", action="store_true", help="also what the tests need")
    which.add_argument("--peers", action="store_true", help="make %s instead, for `make bench`" % PEERS)
    parser.add_argument("--dry-run", action="store_true", help="print the steps, change nothing")
    args = parser.parse_args()
    try:
        if args.peers:
            setup(PEERS, ["peers"], args.dry_run)
        else:
            setup(OURS, ["run", "test"] if args.test else ["run"], args.dry_run)
    except SetupError as error:
        say("error: %s" % error)
        return 1
    except OSError as error:
        say("error: %s: %s" % (error.filename or OURS, error.strerror or error))
        return 1
    except KeyboardInterrupt:
        say("interrupted: run `make setup` again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
