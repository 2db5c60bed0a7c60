"""A Llama's weights: names, shapes, checkpoints, LoRA."""
