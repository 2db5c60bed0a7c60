"""Look whether a run would go well here, and say for each thing that is wrong what mends it.

    make doctor [PROFILE=name] [JSON=1]

Exit code 1 if something would stop a run. Nothing is changed; of the network only a remote that is set up is asked.
"""

import argparse
import json
from collections.abc import Iterator

from abacus.doctor import clone, environment, machine
from abacus.doctor.finding import Finding, examined
from abacus.profile import load
from abacus.profile.load import Profile

WIDTH = 13
MARKS = {"ok": "ok", "warning": "warning", "wrong": "WRONG"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--profile", default="", help="another one than params.yaml chooses")
    parser.add_argument("--json", action="store_true", help="for a program")


def main(args: argparse.Namespace) -> int:
    """Print the findings; 1 if one is wrong."""
    found = []
    for one in findings(args.profile):
        found.append(one)
        if not args.json:
            mend = f"\n{'':{WIDTH}}         {one.mend}" if one.mend else ""
            print(f"{one.name:{WIDTH}}{MARKS[one.state]:<9}{one.found}{mend}", flush=True)
    wrong = sum(one.state == "wrong" for one in found)
    if args.json:
        print(
            json.dumps(
                {"wrong": wrong, "found": [one._asdict() for one in found]}, ensure_ascii=False, indent=2
            )
        )
    return int(wrong > 0)


def findings(name: str) -> Iterator[Finding]:
    """All that is looked at, what others need first."""
    yield from examined("python", environment.python)
    yield from examined("packages", environment.packages)
    yield from examined("cores", machine.cores)
    yield from examined("git", clone.state)
    profiles: list[Profile] = []
    yield from examined("profile", lambda: _profile(name, profiles))
    due, count, dvc = clone.pipeline()
    yield dvc
    for profile in profiles:
        yield from examined("settings", lambda profile=profile: clone.settings(profile.name))
        # Of another profile than the one that params.yaml chooses nothing has been made.
        own = count and profile.name == load.chosen()
        stages = {one.stage.partition("@")[0] for one in due} if own else clone.ALL
        yield from examined("memory", lambda p=profile, s=stages: machine.room(p, s))
        yield from examined("data", lambda s=stages: clone.data(s))
        yield from examined("base model", lambda p=profile: clone.base(p))
        yield from examined("checkpoints", lambda s=stages: clone.checkpoints(s))
        if own:
            yield from clone.stages(due, count, profile.name)
    yield from examined("remote", clone.remote)


def _profile(name: str, found: list[Profile]) -> Iterator[Finding]:
    """The profile itself, without which little else can be looked at."""
    found.append(load.profile(name or load.chosen()))
    yield Finding("profile", "ok", f"{found[0].name}, on {found[0].device}, ranks: {found[0].ranks}")
