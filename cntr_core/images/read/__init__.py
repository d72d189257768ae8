"""Reading images: the blobs of a layout or an archive, and what they mean."""
