"""An image as one merged tree: read where its layers are, served, compared, or written into a directory."""
