"""The model: prompts, tokenizer, weights, training and decoding."""
