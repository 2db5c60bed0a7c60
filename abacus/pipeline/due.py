"""What DVC will run and why, how long each stage took here the last time, and both as a plan to read."""

import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from abacus.core.documents import write_json

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage
    from networkx import DiGraph

TIMES = Path(".dvc/tmp/durations.json")  # seconds by profile and stage: neither git nor DVC keeps it
SHOWN = 2  # reasons of a stage
RAN = 0.001  # seconds of a child's work: a stage whose outputs come out of DVC's cache has none
NEVER, COMMAND = "not run yet", "its command"


class Due(NamedTuple):
    """A stage that will run, and why; without a reason it runs only if what it reads comes out different."""

    stage: str
    why: str


Tell = Callable[[list[Due], int], None]  # what is due, of how many stages


def due(repo: "Repo", target: str) -> tuple[list[Due], int]:
    """What is due of the stages that `target` needs, in their order, and how many these are."""
    from dvc.repo import lock_repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

    with lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        steps = plan_repro(graph, collect_stages(repo, [target]))
        return listed(steps, graph), len(steps)


def listed(steps: Sequence["Stage"], graph: "DiGraph") -> list[Due]:
    """What is due of stages in an order in which they can run."""
    found: dict[Stage, str] = {}
    for stage in steps:
        reason = why(stage)
        if reason or any(before in found for before in graph.successors(stage)):
            found[stage] = reason
    return [Due(stage.addressing, reason) for stage, reason in found.items()]


def why(stage: "Stage") -> str:
    """What of a stage is not as it was when it ran last; nothing if all is."""
    entries = stage.status().get(stage.addressing, [])
    parts: list[str] = []
    for entry in entries:
        if isinstance(entry, str):
            parts += [COMMAND if entry.startswith("changed c") else entry]  # checksum or command
            continue
        for paths in entry.values():
            parts += list(_parts(paths))
    if not parts:
        return ""
    if not any(entry.hash_info for entry in [*stage.deps, *stage.outs]):
        return NEVER
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def _parts(paths: Mapping[str, Any]) -> list[str]:
    """Files, or parameters of a file, with what has happened to them."""
    found = []
    for path, what in paths.items():
        of_file = what.items() if isinstance(what, dict) else [("", what)]
        found += [" ".join(filter(None, (path, key, str(state)))) for key, state in of_file]
    return found


class Timed:
    """What DVC is to do with each stage: before the first one the plan is told, and each one that ran is timed.

    Where nothing is due the stages are not looked at a second time.
    """

    def __init__(self, target: str, profile: str, tell: Tell | None) -> None:
        self._target, self._profile, self._tell = target, profile, tell
        self._due: list[Due] | None = None

    def __call__(self, stage: "Stage", **options: Any) -> "Stage | None":
        """DVC's hook `repro_fn`: the stage if it ran."""
        if self._due is None:
            self._due, count = due(stage.repo, self._target)
            if self._tell:
                self._tell(self._due, count)
        if not self._due:
            return None
        from dvc.repo.reproduce import _reproduce_stage

        begun, before = time.monotonic(), _worked()
        done = _reproduce_stage(stage, **options)
        if done and _worked() - before > RAN:
            keep(self._profile, stage.addressing, time.monotonic() - begun)
        return done


def _worked() -> float:
    """Seconds that processes which this one started have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def durations(profile: str) -> dict[str, float]:
    """Seconds of each stage when it ran the last time, with this profile; a damaged file is none."""
    try:
        found = json.loads(TIMES.read_text(encoding="utf-8"))[profile]
        return {str(stage): float(seconds) for stage, seconds in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def keep(profile: str, stage: str, seconds: float) -> None:
    """Remember how long a stage took."""
    try:
        found = json.loads(TIMES.read_text(encoding="utf-8"))
        known = {name: dict(of) for name, of in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        known = {}
    known.setdefault(profile, {})[stage] = round(seconds, 1)
    write_json(TIMES, known)


def text(found: Sequence[Due], count: int, seconds: Mapping[str, float]) -> str:
    """The plan: a line a stage, one for all of a matrix; how long they took here the last time."""
    if not found:
        return f"nothing to do: all {count} stages are as their inputs ask"
    groups: dict[str, list[Due]] = {}
    for one in found:
        groups.setdefault(one.stage.partition("@")[0], []).append(one)
    lines = [f"to do, {len(found)} of {count} stages (times are those of the last run here):"]
    for name, members in groups.items():
        known = [seconds[one.stage] for one in members if one.stage in seconds]
        took = spoken(sum(known)) if len(known) == len(members) else "no record"
        reasons = [one.why for one in members if one.why]
        why = reasons[0] if reasons else "if what it reads comes out different"
        label = f"{name} x {len(members)}" if "@" in members[0].stage else name
        lines.append(f"  {label:<14}{took:<12}{why}")
    known = [seconds[one.stage] for one in found if one.stage in seconds]
    unknown = len(found) - len(known)
    total = f"about {spoken(sum(known))} in all" if known else ""
    without = f"no times yet of {unknown} stages" if unknown else ""
    return "\n".join([*lines, "; ".join(filter(None, (total, without)))])


def spoken(seconds: float) -> str:
    """A duration as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
