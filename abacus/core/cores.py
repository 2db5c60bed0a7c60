"""Which cores MindSpore's threads run on: left alone on two cores, those that compute get into each other's way.

A process has a thread more than there are cores: one for each that computes, and the main thread, which waits for them
by asking again and again. The system then has two that compute share a core about as often as not, for which a product
takes twice as long. MindSpore's own `set_cpu_affinity` places one kind of them alone, and reads what only older kernels
tell (cgroup v1).
"""

import os
from contextlib import suppress
from pathlib import Path

CORES = 2  # with more of them MindSpore starts more threads, and where those are best has not been measured
THREADS = Path("/proc/self/task")
# By their names: what runs a graph's operators one after the other, and what takes its share of each.
LEADING, HELPING = "ActorThread", "KernelThread"


def place_threads() -> None:
    """Give each of the two threads that compute a core of its own.

    To be called when a first graph has run, for the threads must be there. No result depends on it. It is for a process
    that computes alone on a CPU: the cores are not a rank's alone. The main thread stays free, and so does what it starts.
    """
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        return
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) != CORES or "MS_ROLE" in os.environ:
        return
    cores = dict(zip((LEADING, HELPING), allowed, strict=True))
    for thread in THREADS.iterdir():
        with suppress(OSError):  # it has ended
            kind = (thread / "comm").read_text(encoding="utf-8").split("_")[0]
            if kind in cores:
                os.sched_setaffinity(int(thread.name), {cores[kind]})
