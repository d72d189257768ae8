"""FUSE transport in plain Python: the kernel protocol without libfuse."""
