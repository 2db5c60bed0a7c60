"""Fine-tuning through MindFormers' Trainer: repeatable, resumable, on one rank or several."""
