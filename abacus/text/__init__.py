"""Text as tokens: tokenizer, prompts, encoded rows."""
