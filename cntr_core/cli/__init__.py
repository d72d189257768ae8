"""The command line: the only package that prints or exits. Heavy imports happen inside the commands."""

from .app import main

__all__ = ["main"]
