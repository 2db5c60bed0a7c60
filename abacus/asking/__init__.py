"""One question at a time: a checkpoint's answer as it is written, beside the base model's and the true one."""
