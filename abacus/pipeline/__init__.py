"""The pipeline as a whole: what dvc.lock says, and DVC started and put right."""
