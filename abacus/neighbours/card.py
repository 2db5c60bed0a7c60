"""Model and data cards: a README.md with the metadata that the Hugging Face Hub reads.

Format: https://huggingface.co/docs/hub/model-cards and https://huggingface.co/docs/hub/datasets-cards
"""

from pathlib import Path
from typing import Any

import yaml

from abacus.neighbours.peft import Adapter
from abacus.profile.model import DirectorySource, RandomSource, Source
from abacus.scoring.metrics import METRICS, PROMPT

PARTS = {
    "math_": ("Chinese arithmetic, held-out problems", "abacus-math", "math_problems"),
    "squad_": ("reading questions", "abacus-reading", "squad_questions"),
    "mindformers_": ("reading questions", "abacus-reading", "squad_questions"),
    "answer_": ("reading questions", "abacus-reading", "squad_questions"),
}


def results(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics as `model-index` has them, by the part of the evaluation that they are of."""
    by_part: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for metric in METRICS:
        part = next((part for prefix, part in PARTS.items() if metric.name.startswith(prefix)), None)
        if part and metric.title and metric.name in found:
            row = {"type": metric.name, "name": metric.title, "value": round(found[metric.name], 4)}
            by_part.setdefault(part, []).append(row)
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": f"{title} ({found.get(count)})", "type": kind, "split": "test"},
            "metrics": metrics,
        }
        for (title, kind, count), metrics in by_part.items()
    ]


def table(found: dict[str, Any], base: dict[str, Any]) -> str:
    """The same metrics as a table, beside the base model's where these are known."""
    lines = ["| metric | value | 95 % interval | base model | what it is |", "|---|---:|---|---:|---|"]
    for metric in METRICS:
        if metric.title and metric.name in found and metric.name != "step":
            ends = [f"{found[bound]:.1f}" for bound in metric.bounds if bound in found]
            before = metric.shown(base[metric.name]) if metric.name in base else ""
            cells = (
                metric.title,
                metric.shown(found[metric.name]),
                " to ".join(ends),
                before,
                metric.definition,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def origin(source: Source) -> str:
    """Where a base model came from, in words."""
    if isinstance(source, DirectorySource):
        return "a model of the user's own"
    if isinstance(source, RandomSource):
        return f"random weights of the seed {source.seed}: nothing but a test"
    return f"`{source.member}` of the package `{source.requirement}` (sha256 {source.member_sha256}), dequantised"


def front(metadata: dict[str, Any]) -> str:
    """Metadata as the head of a README.md."""
    text = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{text}---\n"


def hub_id(name: str) -> bool:
    """Whether a base model's name is one on the Hub and no folder here."""
    return name.count("/") == 1 and not name.startswith((".", "/")) and not Path(name).exists()


def model(
    name: str,
    base_name: str,
    source: Source,
    adapter: Adapter,
    prompt: str,
    found: dict[str, Any],
    base: dict[str, Any],
) -> str:
    """The card of an adapter: what it was trained on, how it is asked, what was measured."""
    metadata: dict[str, Any] = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "language": ["zh", "en"],
    }
    metadata |= {"base_model": base_name} if hub_id(base_name) else {}
    metadata["tags"] = ["lora", "arithmetic", "mindspore", "mindformers"]
    if found:
        metadata["model-index"] = [{"name": name, "results": results(found)}]
    reading = f" The reading prompt was `{found[PROMPT]}`." if PROMPT in found else ""
    said = (
        f"{table(found, base)}\n\nMeasured by `make eval`, greedily, on the base model named above.{reading}"
    )
    return f"""{front(metadata)}
# {name}

A LoRA adapter (rank {adapter.rank}, alpha {adapter.alpha}, dropout {adapter.dropout}) for arithmetic in Chinese, step \
{adapter.step} of a training by MindSpore and MindFormers, exported by Abacus.

Base model: {origin(source)}. `adapter_config.json` names `{base_name}`: the figures below hold for these weights only, and its
licence holds for what is made of it.

A problem is asked by this prompt, which training used too (`{{problem}}` is the problem, as Python spells a text):

```python
{prompt}
```

## Measured

{said if found else "Nothing that is known here."}
"""


def data(counts: dict[str, int], recipe: str, other: str = "") -> str:
    """The card of the training rows and the held-out problems; `other` says what is trained on in their place."""
    feature = [{"name": "problem", "dtype": "string"}, {"name": "solution", "dtype": "string"}]
    splits = [{"name": split, "num_examples": count} for split, count in counts.items()]
    files = [{"split": split, "path": f"{split}.jsonl"} for split in counts]
    metadata: dict[str, Any] = {
        "language": ["zh"],
        "task_categories": ["text-generation"],
        "tags": ["arithmetic", "math"],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": feature, "splits": splits},
    }
    rows = ", ".join(f"{count:,} rows of {split}" for split, count in counts.items())
    read = f"what the pipeline makes ({other})" if other else "what a training reads"
    return f"""{front(metadata)}
# Chinese arithmetic: {rows}

Made by Abacus. `train` holds {read}: problems with worked solutions (what the
evaluation asks too is left out if `inputs.overlap` is `drop`, and so are rows that are too long).
`test` holds the held-out problems with their published solutions. The recipe (`prepare` in params.yaml):

```yaml
{recipe}```
"""
