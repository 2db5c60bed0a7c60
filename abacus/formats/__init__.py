"""Files of other people: GGUF, Hugging Face, wheels, MindRecord."""
