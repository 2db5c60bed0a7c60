"""What neighbours read: PEFT, llama.cpp and Ollama, datasets, LLaMA-Factory, axolotl, lm-evaluation-harness."""
