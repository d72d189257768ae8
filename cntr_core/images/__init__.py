"""Reading container images: OCI layouts, docker archives and root tarballs, verified and safely unpacked.

::

    with open_image("nginx.tar") as image:
        unpack(image, "/run/web/root")
"""

from .beside import beside, locate
from .cache import unpacked
from .halves import FatTree, open_fat
from .image import Image, ImageHolder, LayerTar, Source, open_image
from .streams import Budget
from .target import DevicePolicy
from .trees import remove_tree
from .unpack import Unpacked, unpack
from .values import ImageConfig, Layer, Platform

__all__ = [
    "open_image",
    "beside",
    "locate",
    "open_fat",
    "FatTree",
    "unpack",
    "unpacked",
    "remove_tree",
    "Image",
    "ImageConfig",
    "ImageHolder",
    "Layer",
    "LayerTar",
    "Platform",
    "Source",
    "Unpacked",
    "Budget",
    "DevicePolicy",
]
