"""Work of many equal parts, spread over the cores: the results come in their order, for any number of processes."""

import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from typing import Protocol, TypeVar

from abacus.core.errors import InputError
from abacus.core.process import ENDING, end_with_parent

MOST = 2  # processes by default: whoever hands out the parts is busy too, and each costs memory
AHEAD = 2  # parts at a process: it never waits for one, and at the end nobody waits long for its last ones
BUSY = 8  # parts that are worked on while this process does something else
Part = TypeVar("Part")
Result = TypeVar("Result")


class Ordered(Protocol):
    """What `map` does of one iterable, which is the plain form of it."""

    def __call__(self, work: Callable[[Part], Result], parts: Iterable[Part], /) -> Iterator[Result]: ...


def cores() -> int:
    """The processes that this machine has cores for, at most MOST."""
    return min(MOST, len(os.sched_getaffinity(0)))


@contextlib.contextmanager
def workers(processes: int, *, busy: bool = False) -> Iterator[Ordered]:
    """Yield a `map` whose parts are worked on by so many processes, this one among them.

    If this one is `busy` it leaves the parts to the others, who begin as soon as the map is called.
    The function and its parts are pickled. The others are forked here, before there is much to copy, and end with
    this process, however it ends. An error of a part is raised in its turn; InputError if one of them was killed.
    """
    if processes < 2:
        yield map
        return
    pool = ProcessPoolExecutor(processes - 1, multiprocessing.get_context("fork"), _begin, (os.getpid(),))
    # A signal to all waits until each process knows what to make of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        pool.submit(os.getpid)  # the first task starts them all
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        if busy:
            yield functools.partial(_ahead, pool, BUSY * (processes - 1))
        else:
            yield functools.partial(_ordered, pool, AHEAD * (processes - 1))
    except BrokenProcessPool:
        raise InputError(
            "", "a process of this run was killed", advice="it may have run out of memory"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """A worker leaves signals to the process that started it, and does not outlive that."""
    end_with_parent()
    if os.getppid() != parent:  # it ended before Linux was asked
        os._exit(1)
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _ordered(
    pool: ProcessPoolExecutor, ahead: int, work: Callable[[Part], Result], parts: Iterable[Part]
) -> Iterator[Result]:
    """Hand out parts, work on one here when the others have enough, and yield the results in their order."""
    waiting: deque[Future[Result]] = deque()
    for part in parts:
        if sum(not one.done() for one in waiting) < ahead:
            # Packed here and now, the part is free at once: a part that waits would cost its memory twice.
            waiting.append(pool.submit(_unpacked, work, bytes(ForkingPickler.dumps(part))))
        else:
            waiting.append(_here(work, part))
        while waiting and waiting[0].done():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _ahead(
    pool: ProcessPoolExecutor, ahead: int, work: Callable[[Part], Result], parts: Iterable[Part]
) -> Iterator[Result]:
    """Hand out the first parts now and another for each result that is taken; the results come in their order."""
    rest = iter(parts)
    waiting = deque(pool.submit(work, part) for part in itertools.islice(rest, ahead))

    def results() -> Iterator[Result]:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, part) for part in itertools.islice(rest, 1))
            yield result

    return results()


def _unpacked(work: Callable[[Part], Result], packed: bytes) -> Result:
    return work(ForkingPickler.loads(packed))


def _here(work: Callable[[Part], Result], part: Part) -> Future[Result]:
    done: Future[Result] = Future()
    try:
        done.set_result(work(part))
    except Exception as error:
        done.set_exception(error)
    return done
