"""Measuring code that runs where no data file can be written: processes that have entered a container.

coverage.py saves its data by path when a process ends or executes another program. A session's processes have another
root by then, and other rights. So they hand their data over through a descriptor that was opened before: each appends
one record to a log, and ``python -m tests.coverage_support LOG`` turns the log into ordinary data files.
"""
