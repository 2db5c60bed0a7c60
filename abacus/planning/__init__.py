"""What a run will take, before any device is touched."""
