"""Writing images, and reaching registries.

::

    with tempfile.TemporaryDirectory() as work:
        slim = pack(NewImage(config, layers), work)
        fat = pack(NewImage(fat_config, fat_layers, subject=slim.descriptor), work)
        parse_destination("app.tar").save([("app:slim", slim), ("app:fat", fat)])
"""

from .compress import Compression
from .destination import Destination, parse_destination
from .image import Blob, NewImage, PackedImage, PlainLayer, Progress
from .pack import pack
from .source import open_source

__all__ = [
    "open_source",
    "pack",
    "parse_destination",
    "Blob",
    "Compression",
    "Destination",
    "NewImage",
    "PackedImage",
    "PlainLayer",
    "Progress",
]
