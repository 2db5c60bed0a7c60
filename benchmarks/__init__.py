"""What the project takes beside what a user would pick instead, in one run on one machine: `make bench`.

It asserts nothing. `workers/` holds what is measured in a process of its own and is no command of the project.
"""
