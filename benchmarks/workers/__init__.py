"""What is measured, a process each: scripts, some of them run by the peers' Python, so that they import nothing of ours."""
