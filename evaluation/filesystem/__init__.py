"""What a mount costs beside the filesystem below it: ``python -m evaluation filesystem``.

ways ─ ground ─ workloads, disk_suite ─ levers ─ measure ─ results ─ command
"""
