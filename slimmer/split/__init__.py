"""Splitting an image's layers into a slim and a fat half, and joining them again."""
