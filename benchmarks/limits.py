"""What this machine can do at most, measured in the same run: matrix products at the model's shapes, and memory."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from abacus.core.documents import read_json
from abacus.weights.architecture import parameters, read_architecture
from benchmarks.alternate import rounded
from benchmarks.workspace import GB, PEERS, SCRATCH, needed, script

OURS = ("mindspore", "mindformers", "dvc", "numpy", "tokenizers")
THEIRS = ("torch", "transformers", "peft", "datasets", "tokenizers")


def machine() -> dict[str, Any]:
    """Model of the processor, cores, memory, and the limits: GFLOP/s by library and type, GB/s of reading."""
    limits = {}
    for library, kind in (("mindspore", "float32"), ("torch", "float32"), ("torch", "bfloat16")):
        python = {"python": PEERS} if library == "torch" else {}
        script("products", library, kind, SCRATCH / "limits.json", **python)
        limits[f"{library}_{kind}_gflops"] = found()
    script("reading", SCRATCH / "limits.json")
    limits["memory_gb_s"] = found()
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / GB),
        **limits,
    }


def found() -> float:
    """What the worker has found."""
    return rounded(read_json(SCRATCH / "limits.json", "figures of a worker")["rate"])


def processor() -> str:
    """The processor as Linux names it."""
    names = re.findall(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Versions of what was measured, ours and the peers'."""
    own = {name: importlib.metadata.version(name) for name in OURS}
    listed = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    done = subprocess.run([PEERS, "-c", listed, *THEIRS], capture_output=True, text=True, check=False)
    theirs = zip(THEIRS, done.stdout.split(), strict=False)
    return {"python": platform.python_version(), **own, **{f"peer's {n}": v for n, v in theirs}}


def work() -> dict[str, float]:
    """What a token costs at least: multiplications and additions of a forward pass in GFLOP, and GB of weights."""
    weights = parameters(read_architecture(needed("data/base")))
    return {"gflop_a_token": rounded(2 * weights / GB), "gb_of_weights": rounded(4 * weights / GB)}
