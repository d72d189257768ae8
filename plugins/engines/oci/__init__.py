"""The embedded engine: containers of our own, started from an image by an installed OCI runtime."""
