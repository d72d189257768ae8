"""Filesystem backends: the logic, its two FUSE transports, and the kernel's own mounts."""
