"""``python -m evaluation first-answer``: how long a pull from a registry and a start take, until somebody answers."""
