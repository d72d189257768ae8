"""Reading container images: OCI layouts, docker archives and root tarballs, verified and safely unpacked.

::

    with open_image("nginx.tar") as image:
        unpack(image, "/run/web/root")
"""

from __future__ import annotations

from ..lazily import lazily

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from .cache import layers_of, unpacked
    from .fat import open_fat
    from .image import Image, LayerTar
    from .location import absolute, locate, sibling
    from .open import ImageHolder, open_image
    from .streams import Budget
    from .tree.extract import DevicePolicy, Unpacked, unpack
    from .tree.remove import remove_tree
    from .values import ImageConfig, Layer, Platform

__all__ = [
    "open_image",
    "sibling",
    "absolute",
    "locate",
    "open_fat",
    "unpack",
    "unpacked",
    "layers_of",
    "remove_tree",
    "Image",
    "ImageConfig",
    "ImageHolder",
    "Layer",
    "LayerTar",
    "Platform",
    "Unpacked",
    "Budget",
    "DevicePolicy",
]

__getattr__ = lazily(
    __name__,
    {
        "cache": "layers_of unpacked",
        "fat": "open_fat",
        "image": "Image LayerTar",
        "location": "absolute locate sibling",
        "open": "ImageHolder open_image",
        "streams": "Budget",
        "tree.extract": "DevicePolicy Unpacked unpack",
        "tree.remove": "remove_tree",
        "values": "ImageConfig Layer Platform",
    },
)
