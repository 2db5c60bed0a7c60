"""Kept graphs: the next process says the same with them, and another model never gets them."""

import json
import os
import subprocess
import sys

import pytest

from tests.workspace import ROOT

ASK = """
import json, sys
from pathlib import Path
from abacus.inference.cached import CachedDecoder
from abacus.text.prompt import Prompt
from abacus.weights.architecture import Architecture
from abacus.weights.checkpoint import random_weights

folder, theta = sys.argv[1:]
shape = Architecture(
    hidden_size=32, num_layers=2, num_heads=4, n_kv_heads=2, intermediate_size=48, vocab_size=61,
    rms_norm_eps=1e-5, rope_theta=float(theta), max_position_embedding=300, tie_word_embeddings=False,
)
weights = {k: v * (10 if v.ndim == 2 else 1) for k, v in random_weights(shape, 3).items()}
graphs = Path(folder) if folder else None
decoder = CachedDecoder(weights, shape, eos_id=60, batch_size=4, graphs=graphs)
found = decoder.complete([Prompt(list(range(5, 40)), [7, 8, 9])], max_new_tokens=9)[0]
print(json.dumps([found.ids, found.reference_nll]))
"""


@pytest.fixture
def script(tmp_path):
    """MindSpore keeps no graphs of a program that is not in a file."""
    path = tmp_path / "ask.py"
    path.write_text(ASK)
    return path


def ask(script, folder, theta):
    done = subprocess.run(
        [sys.executable, script, str(folder), str(theta)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_kept_graphs_change_nothing_and_are_no_other_models(script, tmp_path):
    graphs = tmp_path / "graphs"

    def files():
        return {path: path.stat().st_mtime_ns for path in graphs.rglob("*") if path.is_file()}

    first = ask(script, graphs, 100.0)
    kept = files()
    assert len(list(graphs.iterdir())) == 1
    assert ask(script, graphs, 100.0) == first
    assert files() == kept  # so they were read
    other = ask(script, graphs, 5000.0)
    assert other == ask(script, "", 5000.0) != first
    assert len(list(graphs.iterdir())) == 2
