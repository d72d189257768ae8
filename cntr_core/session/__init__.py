"""Attach and exec: a plan made of steps, then the processes that execute it."""
