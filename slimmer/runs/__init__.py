"""Running an image to watch it: by a container of our own, or by an engine's."""
