"""Graphs that an earlier process has compiled, kept in a folder: MindSpore's compile cache, made safe.

MindSpore knows a kept graph by its number in the process alone: where a constant has changed, or the order, it runs the
wrong one without a word. So graphs of other facts have another folder, and it gets its name when all are in it.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

_used = False


@contextmanager
def kept(folder: Path | None, *facts: object) -> Iterator[None]:
    """Within it graphs are compiled, or read from `folder`, if there is one.

    `facts` are all that the graphs and their order depend on. It is of use once in a process: MindSpore
    goes on counting, and stays in the first folder that it was given.
    """
    global _used
    if folder is None or _used or not Path(sys.argv[0]).is_file():  # MindSpore reads the program's source
        yield
        return
    import mindspore

    _used = True
    name = sha256("\n".join(map(str, (mindspore.__version__, *facts))).encode()).hexdigest()
    own = folder / name[:32]
    found = own.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    place = own if found else Path(mkdtemp(prefix=".part-", dir=folder))
    mindspore.set_context(enable_compile_cache=True, compile_cache_path=str(place))
    try:
        yield
        if not found and not own.is_dir():
            place.replace(own)
    finally:
        mindspore.set_context(enable_compile_cache=False)
        if not found:
            shutil.rmtree(place, ignore_errors=True)
