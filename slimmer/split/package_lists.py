"""Lists of installed packages without those that an image has no file of: what scanners read of a slim image.

A list is the original's with whole paragraphs left out, and nothing else, so that it can be proved. The original's goes
to the fat image. Lists that are no plain file stay as they are, and so does a paragraph that tells of no package, of
more than one, or of one whose files nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from cntr_core.images.tar.members import Kind
from cntr_core.images.tree.tree import Directory, File, Tree
from cntr_core.rules import ImageView

from ..rules.package import (
    APK_INSTALLED,
    DPKG_STATUS,
    STATUS_DIRECTORY,
    SUMS,
    Package,
    PackageDatabase,
    described,
    paragraphs,
    read_packages,
)
from ..rules.reading import MOST, content

LISTS = (DPKG_STATUS, APK_INSTALLED)
"""The lists that are one file for all packages."""


def list_file(tree: Tree, name: bytes) -> File | None:
    """The file of the list `name`; None where there is none that could be another in the slim image: a link, a device,
    a file with further names, with holes, or larger than any list."""
    try:
        file = tree.resolve(name, follow=False).file
    except OSError:
        return None
    entry = file.entry
    plain = entry.kind is Kind.FILE and entry.segments is None and entry.size <= MOST
    return file if plain and len(file.names) == 1 and len(file.members) <= 1 else None


def files_of(tree: Tree) -> Iterator[bytes]:
    """The paths of all that is no directory."""
    return (name.path for name in tree.walk() if not isinstance(name.file, Directory))


def shortened(view: ImageView, tree: Tree, names: Iterable[bytes], kept: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """The lists `names` of the original with the packages that have one of the files `kept`, by their real paths; no
    list that has them all. `view` and `tree` are the original's.

    :raises ImageError: a layer cannot be read.
    """
    places = {name: file.path for name in names if (file := list_file(tree, name))}
    gone = frozenset(_gone(read_packages(view), frozenset(kept).difference(places.values())))
    found = {}
    for name, place in places.items():
        whole = content(view, name)
        short = b"".join(one for one in paragraphs(whole) if described(one, name) not in gone)
        if short != whole:
            found[place] = short
    return found


def _gone(packages: PackageDatabase, kept: Collection[bytes]) -> Iterator[Package]:
    """The packages without one of these files."""
    for package in packages:
        if packages.lists(package) and not any(path in kept for path in packages.files_of(package)):
            yield package


def idle_descriptions(view: ImageView, kept: Collection[bytes]) -> frozenset[bytes]:
    """Of the lists that are one file for each package (distroless): those of packages without one of the files `kept`,
    with the sums beside them."""
    packages = read_packages(view)
    gone = frozenset(_gone(packages, kept))
    places = {package.place for package in gone} - {package.place for package in packages if package not in gone}
    own = [place for place in places if place.startswith(STATUS_DIRECTORY + b"/")]
    return frozenset((*own, *(place + SUMS for place in own)))
