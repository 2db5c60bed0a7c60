"""What others have made, scored as ours: answers of any system, and adapters of another run."""
