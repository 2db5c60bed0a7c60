"""A checkpoint as a folder for others, all or nothing: a PEFT adapter with its card, or a GGUF file with its Modelfile."""

from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from abacus.core.documents import write_json
from abacus.core.files import check_room, replacing
from abacus.formats.export import MARK, digest
from abacus.neighbours import card, llama_cpp, peft
from abacus.neighbours.texts import Texts
from abacus.profile.concerns import origin_of
from abacus.profile.load import Profile
from abacus.weights.architecture import Architecture, Weights, parameters


def adapter(
    out: Path,
    source: Path,
    base: Path,
    profile: Profile,
    architecture: Architecture,
    base_name: str,
    found: dict[str, Any],
    before: dict[str, Any],
) -> None:
    """Write the checkpoint in the folder `source` as a PEFT adapter.

    `found` is what was measured of it, `before` of the base model; either may be empty.
    """
    name = f"abacus-{profile.name}-{source.name}"
    with replacing(out) as part:
        part.mkdir()
        numbers = peft.write(part, source, architecture, base_name)
        prompt = repr(Texts.load(profile.prompt, base).row("{problem}", "")[0])
        whose = origin_of(profile).source
        text = card.model(name, base_name, whose, numbers, prompt, found, before)
        (part / "README.md").write_text(text, encoding="utf-8")
        about = {"source": source.name, "step": numbers.step, "base_model": base_name}
        finish(part, about | {"adapter_sha256": digest(source / "adapter.ckpt")})


def gguf(
    out: Path,
    weights: Weights,
    base: Path,
    profile: Profile,
    architecture: Architecture,
    kind: llama_cpp.Kind,
    about: dict[str, Any],
    user: TextIO,
) -> Path:
    """Write whole weights as one GGUF file, matrices as `kind`, and a Modelfile; return the file's path."""
    file, texts = f"{profile.name}-{kind}.gguf", Texts.load(profile.prompt, base)
    check_room(out, 2 * sum(array.size for array in weights.values()))
    shown = partial(tqdm, desc="export", unit=" tensors", file=user)
    with replacing(out) as part:
        part.mkdir()
        name = f"abacus {profile.name} {about['source']}"
        llama_cpp.write(part / file, architecture, weights, base, texts, name=name, kind=kind, progress=shown)
        modelfile = texts.modelfile(file, profile.decode.math_new_tokens)
        (part / "Modelfile").write_text(modelfile, encoding="utf-8")
        types = {"from_dtype": ", ".join(sorted({np.dtype(array.dtype).name for array in weights.values()}))}
        finish(part, about | {"parameters": parameters(architecture), "dtype": kind} | types)
    return out / file


def finish(part: Path, about: dict[str, Any]) -> None:
    """Write export.json, by which an export is known."""
    files = {str(path.relative_to(part)): digest(path) for path in sorted(part.rglob("*")) if path.is_file()}
    write_json(part / MARK, about | {"files": files})
