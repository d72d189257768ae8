"""What a run of an image used: watched, kept in a file, merged and compared."""
