"""Who does the work of prepare: processes of this machine, or a Dask cluster. What comes out is the same."""

import contextlib
import functools
import gc
import hashlib
import importlib.util
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from abacus.core.errors import InputError
from abacus.core.workers import Ordered, workers
from abacus.data.selection import Prepare

if TYPE_CHECKING:
    from distributed import Client

ANSWER = 20  # seconds in which a scheduler answers and has a worker
TOKEN = "seen-by-all"
CODE = Path(__file__).parents[1]
Part = TypeVar("Part")
Result = TypeVar("Result")


@contextlib.contextmanager
def engine(params: Prepare, processes: int, folder: Path) -> Iterator[Ordered]:
    """Yield what spreads the parts of the work and returns their results in order.

    Parts are read from and written to `folder`, which all processes must have. `processes` are those of this machine.
    """
    if params.engine == "local":
        with workers(processes) as ordered:
            yield ordered
        return
    if not importlib.util.find_spec("distributed"):
        raise InputError(
            "params.yaml",
            "prepare.engine is dask, and the package `distributed` is not installed",
            advice="`.venv/bin/python -m pip install distributed` installs it, or set engine: local",
        )
    with _client(params.scheduler, processes, folder) as client:
        check_workers(client, Path(params.raw).absolute(), folder.absolute())
        yield functools.partial(_ordered, client)


@contextlib.contextmanager
def _client(scheduler: str, processes: int, folder: Path) -> Iterator["Client"]:
    """A client of the cluster at an address, or of one of this machine that ends with the block."""
    from distributed import Client, LocalCluster

    for name in (
        "distributed",
        "tornado",
    ):  # they tell of lost workers what is told here, or nothing to be told
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "Sending large graph")  # of many parts: some megabytes, once a pass
    if not scheduler:
        local = LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",
            local_directory=str(folder),
            silence_logs=logging.CRITICAL,
        )
        with local, Client(local) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=ANSWER)
    except (OSError, ValueError) as error:
        raise InputError(
            "params.yaml", f"prepare.scheduler {scheduler}: {error}", "a Dask scheduler"
        ) from None
    with client:
        yield client


def check_workers(client: "Client", raw: Path, folder: Path) -> None:
    """Raise InputError unless there are workers and each can run this code and sees the files that this process sees."""
    (folder / TOKEN).touch()
    try:
        client.wait_for_workers(1, timeout=ANSWER)
        seen = client.run(sees, raw, folder / TOKEN)
    except TimeoutError:
        raise InputError("params.yaml", f"prepare.scheduler has had no worker for {ANSWER} s") from None
    except (ImportError, AttributeError) as error:
        raise InputError("", f"a Dask worker cannot run this code: {error}", advice=HINT) from None
    ours = sees(raw, folder / TOKEN)
    for worker, found in seen.items():
        if found != ours:
            lack = (
                "runs other code" if found[:2] == ours[:2] else f"does not see {raw} and {folder} as they are"
            )
            raise InputError("", f"the Dask worker {worker} {lack}", advice=HINT)


HINT = "start the workers in a clone of the same commit, on a file system that all machines share at the same path"


def sees(raw: Path, token: Path) -> tuple[int, bool, str]:
    """What a process sees: the size of the one file, whether the other is there, and the hash of the code it runs."""
    code = hashlib.sha256()
    for path in sorted(CODE.rglob("*.py")):
        code.update(path.read_bytes())
    return raw.stat().st_size if raw.exists() else -1, token.exists(), code.hexdigest()


def _ordered(client: "Client", work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Hand all parts out and yield the results in their order. What a lost worker had is done by another one."""
    from distributed.scheduler import KilledWorker

    futures = deque(client.map(functools.partial(_lean, work), list(parts), pure=False))
    try:
        while futures:
            yield futures[0].result()
            futures.popleft()  # the cluster may forget it
    except KilledWorker:
        raise InputError(
            "", "one part has ended several Dask workers", advice="they may have run out of memory"
        ) from None
    finally:
        client.cancel(list(futures))


def _lean(work: Callable[[Part], Result], part: Part) -> Result:
    """Work without looking for cycles: there are none, and millions of objects."""
    was = gc.isenabled()
    gc.disable()
    try:
        return work(part)
    finally:
        if was:
            gc.enable()
