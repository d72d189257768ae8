"""What became of an image, and why: as values, on a terminal, and as a page."""
