"""Profiles: what a model, its prompt and a machine are, as thin MindFormers YAML."""
