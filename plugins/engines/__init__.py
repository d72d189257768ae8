"""Container engines: one small module of one shape for each."""
