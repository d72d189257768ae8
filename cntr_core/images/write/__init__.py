"""Writing images: a value becomes an archive, a layout, an image of an engine, or one of a registry.

::

    with tempfile.TemporaryDirectory() as work:
        slim = pack(NewImage(config, layers), work)
        fat = pack(NewImage(fat_config, fat_layers, subject=slim.descriptor), work)
        parse_destination("app.tar").save([("app:slim", slim), ("app:fat", fat)])
"""
