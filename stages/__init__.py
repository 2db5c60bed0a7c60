"""The pipeline's stages: one module a DVC stage, run as `python -m stages.NAME` by dvc.yaml."""
