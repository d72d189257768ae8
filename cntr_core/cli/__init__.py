"""The command line: the only package that prints or exits."""


def main() -> None:
    """Entry point of the ``cntr`` program."""
