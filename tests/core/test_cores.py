"""MindSpore's threads have a core each, and a process that may not choose is left as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A graph of its own process: its threads stay where they are put.
SCRIPT = """
import os
from pathlib import Path
import mindspore
from mindspore import Tensor, nn, ops
from abacus.core.cores import THREADS, place_threads

class Product(nn.Cell):
    def construct(self, x):
        return ops.matmul(x, x)

mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
multiply, x = Product(), Tensor([[1.0, 2.0], [3.0, 4.0]])
before = multiply(x).asnumpy()
place_threads()
place_threads()
assert (multiply(x).asnumpy() == before).all()
for thread in THREADS.iterdir():
    print((thread / "comm").read_text().split("_")[0].strip(), *os.sched_getaffinity(int(thread.name)))
"""


def cores(script: Path, allowed: set[int], **env: str) -> dict[str, list[set[int]]]:
    """The cores of each kind of thread, of a process that may use `allowed`."""
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[set[int]]] = {}
    for line in done.stdout.splitlines():
        kind, *numbers = line.split()
        found.setdefault(kind, []).append({int(number) for number in numbers})
    return found


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "product.py"  # MindSpore reads a graph's source
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def two() -> set[int]:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("needs two cores")
    return set(allowed[:2])


def test_what_computes_has_a_core_of_its_own(script: Path, two: set[int]) -> None:
    found = cores(script, two)
    assert found.pop("ActorThread") == [{min(two)}]
    assert found.pop("KernelThread") == [{max(two)}]
    # The main thread and all others may go where they like, and so may what they start.
    assert all(own == two for kind in found.values() for own in kind)


@pytest.mark.parametrize("env", [{"MS_ROLE": ""}, {}])
def test_who_has_no_two_cores_of_its_own_is_left_as_it_is(
    script: Path, two: set[int], env: dict[str, str]
) -> None:
    allowed = two if env else {min(two)}  # a rank, or one core
    found = cores(script, allowed, **env)
    assert "ActorThread" in found and all(own == allowed for kind in found.values() for own in kind)
