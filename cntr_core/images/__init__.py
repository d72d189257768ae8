"""Reading container images: OCI layouts and docker archives, verified and safely extracted."""
