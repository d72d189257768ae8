"""Thin, policy-free wrappers of Linux system calls, and parsers of what the kernel prints."""
