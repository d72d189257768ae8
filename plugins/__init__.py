"""Built-in plugins, imported as ``cntr_plugins``: container engines and filesystem backends."""
