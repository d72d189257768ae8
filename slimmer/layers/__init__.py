"""The layers of an image, read where they are instead of unpacked."""
