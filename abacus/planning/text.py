"""A plan as a table to read: its sections, labels and units."""

from typing import Any


def text(plan: dict[str, Any]) -> str:
    """The plan as a table to read."""
    blocks = [("", about_run(plan)), ("learning rate, by step from 0", about_rates(plan))]
    blocks.append(
        ("checkpoints, by step", [(f"{int(s):,}", file) for s, file in plan["checkpoints"].items()])
    )
    blocks.append(("bytes on one rank", about_memory(plan)))
    blocks.append(("tokens of a row", about_tokens(plan)))
    lines = []
    for title, pairs in blocks:
        lines += [f"\n{title}"] if title else []
        lines += [f"  {label:<28}{value}".rstrip() for label, value in pairs]
    starts = [f"  {command}" for command in plan["commands"]]
    return "\n".join([*lines, "\nlaunch, on each host" if len(starts) > 1 else "\nlaunch", *starts])


def about_run(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines about model and steps."""
    ranks = f"{plan['ranks']} ({plan['data_parallel']} data x {plan['model_parallel']} tensor parallel)"
    packed = f" sequences of {plan['sequences']:,}" if plan["sequences"] else ""
    return [
        ("profile", plan["profile"]),
        ("ranks", f"{ranks}, {plan['device']}"),
        ("parameters of the base", f"{plan['base_parameters']:,}{plan['base_parameters_of']}"),
        ("trainable parameters", f"{plan['trainable_parameters']:,}"),
        ("ratio of 8.03e9", repr(plan["ratio_of_8_03e9"])),
        ("ratio of the base", repr(plan["ratio_of_base"])),
        ("training rows", f"{plan['rows']:,} ({plan['rows_from']})"),
        ("rows a step", f"{plan['batch_rows']:,}{packed}, over all ranks"),
        ("places a step", f"{plan['places']:,}"),
        ("steps an epoch", f"{plan['steps_per_epoch']:,}"),
        ("steps in all", f"{plan['steps']:,} ({plan['epochs']:.4g} epochs)"),
        ("warm-up steps", f"{plan['warmup_steps']:,}"),
        ("operations a step", f"{plan['rank_operations'] / 1e12:.4g} TFLOP on one rank, estimate"),
        ("training, estimate", f"{plan['hours']:.2g} hours at {plan['teraflops']:g} TFLOP/s a rank (RATE=)"),
    ]


def about_rates(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The learning rate at some steps, to the digits that a float32 has."""
    return [(f"{int(step):,}", f"{rate:.8g}") for step, rate in plan["learning_rates"].items()]


def about_memory(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines about memory, with what the profile allows."""
    labels = {
        "base_weights": "base weights",
        "lora_weights": "LoRA weights",
        "gradients": "gradients, float32",
        "optimizer_states": "optimiser states",
        "activations_kept": "layers, estimate",
        "activations_passing": "loss, estimate",
        "total": "in all, estimate",
    }
    pairs = [(label, f"{plan['rank_bytes'][key]:>18,}") for key, label in labels.items()]
    most = plan["max_device_memory"]
    if most is not None:
        fits = plan["rank_bytes"]["total"] <= most
        pairs.append(
            ("context.max_device_memory", f"{most:>18,}{'' if fits else '  warning: it does not fit'}")
        )
    return pairs


def about_tokens(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines about row lengths, or why they are not known."""
    found, length = plan["lengths"], plan["seq_length"] + 1
    if found is None:
        labels = ("mean", "learned, mean", "longest", "in all", "padding of a batch")
        return [(label, f"not known: {plan['lengths_of']}") for label in labels]
    return [
        ("measured on", plan["lengths_of"]),
        ("mean", f"{found['mean']:.1f}"),
        ("learned, mean", f"{found['mean_learned']:.1f}"),
        ("longest", f"{found['longest']:,}"),
        ("in all", f"{plan['tokens']:,}, {plan['learned_tokens']:,} of them learned"),
        ("padding of a batch", f"{found['padding']:.1%} (rows of {length:,})"),
    ]
