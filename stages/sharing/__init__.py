"""What the commands that share through a bucket have in common."""
