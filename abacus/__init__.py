"""Abacus: fine-tune a Llama with LoRA to do arithmetic in Chinese, and measure what each version of the data did."""
