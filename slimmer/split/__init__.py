"""Splitting an image's layers into a slim and a fat image, and joining them again."""
