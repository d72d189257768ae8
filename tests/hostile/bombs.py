"""Small images that claim to be endless, and what reading one does in a process with little memory.

python -m tests.hostile.bombs PATH [PATH]      # reads the image, merges it, and compares it with the second
"""

from __future__ import annotations

import io
import resource
import sys
import tarfile
from collections.abc import Callable

import zstandard

from tests.unit.images.layouts import Layout, directory, file, tar

MEMORY = 1 << 30
"""Bytes of address space that the reading process has."""


def _pax(records: list[tuple[bytes, bytes]], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A PAX header, which belongs to the next member, or is a global one."""
    content = b"".join(_record(key, value) for key, value in records)
    info = tarfile.TarInfo("PaxHeaders/x")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content.ljust(-(-len(content) // 512) * 512, b"\0")


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" %s=%s\n" % (key, value)
    size = len(rest)
    while size != len(b"%d" % size + rest):
        size = len(b"%d" % size + rest)
    return b"%d" % size + rest


def _members(*specs: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """The records of members, without an end mark."""
    stream = io.BytesIO()
    for info, content in specs:
        info.size = len(content)
        stream.write(info.tobuf(tarfile.USTAR_FORMAT) + content.ljust(-(-len(content) // 512) * 512, b"\0"))
    return stream.getvalue()


_END = bytes(1024)


def _global_keys() -> bytes:
    """Twenty headers of a megabyte, each with keys of its own."""
    headers = [
        _pax([(b"k%d-%d" % (number, key), b"v") for key in range(60_000)], tarfile.XGLTYPE) for number in range(20)
    ]
    return b"".join(headers) + _members(file("q")) + _END


def _global_members() -> bytes:
    """A header with 4,000 extended attributes, which count for each of many members."""
    header = _pax([(b"SCHILY.xattr.user.%d" % key, b"v") for key in range(4_000)], tarfile.XGLTYPE)
    own = _pax([(b"mtime", b"1")])
    return header + b"".join(own + _members(file(f"q{number}")) for number in range(5_000)) + _END


def _long_path() -> bytes:
    """A path of 60,000 components."""
    return _pax([(b"path", b"a/" * 60_000 + b"f")]) + _members(file("q")) + _END


def _old_sparse() -> bytes:
    """GNU's oldest map of holes, which goes on in records without end."""
    header = bytearray(tarfile.TarInfo("s").tobuf(tarfile.GNU_FORMAT))
    header[156:157], header[482:483] = b"S", b"\1"
    header[386:398] = header[398:410] = b"00000000001\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = (b"00000000001\0" * 2 * 21 + b"\1").ljust(512, b"\0")
    return bytes(header) + more * 200_000


def _sparse_maps() -> bytes:
    """PAX 1.0 maps of half a megabyte, in each of 200 members."""
    pairs = b"".join(b"%d\n1\n" % (2 * number) for number in range(60_000))
    content = b"60000\n" + pairs
    content = content.ljust(-(-len(content) // 512) * 512, b"\0") + b"x" * 60_000
    names = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"200000")]
    one = _pax([*names, (b"GNU.sparse.name", b"q")]) + _members(file("q", content))
    return one * 200 + _END


def _huge_hole() -> bytes:
    """A file of ten terabytes, and nothing in it."""
    names = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % 10**13)]
    return _pax([*names, (b"GNU.sparse.name", b"q")]) + _members(file("q", b"0\n".ljust(512, b"\0"))) + _END


def _endless_hole() -> bytes:
    """A file of 10^17 bytes."""
    return (
        _huge_hole()
        .replace(b"%d" % 10**13, b"%d" % 10**17)
        .replace(b"38 GNU.sparse.realsize", b"42 GNU.sparse.realsize")
    )


def _opaque_markers() -> bytes:
    """20,000 files in a directory, and as many opaque markers for it."""
    files = _members(directory("d"), *(file(f"d/{number}") for number in range(20_000)))
    return files + _members(file("d/.wh..wh..opq")) * 20_000 + _END


def _a_million_and_more() -> bytes:
    """More members than any image has."""
    return _members(*(file(f"d/{number}") for number in range(20_000))) * 60 + _END


def _deep() -> bytes:
    """2,000 directories in each other: legal, and to be read."""
    return tar(file("/".join(["d"] * 2_000) + "/f", b"at the bottom"))


LAYERS: dict[str, Callable[[], bytes]] = {
    "global keys": _global_keys,
    "global members": _global_members,
    "long path": _long_path,
    "old sparse": _old_sparse,
    "sparse maps": _sparse_maps,
    "huge hole": _huge_hole,
    "endless hole": _endless_hole,
    "opaque markers": _opaque_markers,
    "a million and more": _a_million_and_more,
    "deep": _deep,
}
HARMLESS = ("global keys", "huge hole", "opaque markers", "deep")
"""Those that are read: they claim nothing that cannot be."""


def image_of(layer: bytes, path: str) -> str:
    """An image of one layer, compressed as a bomb would be."""
    made = Layout()
    made.top(made.image([layer], compression="zstd"))
    return made.write(path)


def nested_indexes(path: str) -> str:
    """Three levels of indexes, each of which names the next a thousand times."""
    import json

    made = Layout()
    index = "application/vnd.oci.image.index.v1+json"
    below = made.image([tar(file("a"))])
    for _ in range(3):
        document = {"schemaVersion": 2, "mediaType": index, "manifests": [below] * 1000}
        below = made.blob(json.dumps(document).encode(), index)
    made.top(below)
    return made.write(path)


def many_layers(path: str) -> str:
    """One layer, 20,000 times."""
    made = Layout()
    made.top(made.image([tar(file("a"))] * 20_000))
    return made.write(path)


def _read(paths: list[str]) -> None:
    from cntr_core.errors import ImageError
    from cntr_core.images import open_image
    from cntr_core.images.tree.diff import difference
    from cntr_core.images.tree.layers import open_layers

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        with open_image(paths[0]) as one, open_layers(one) as before:
            with open_image(paths[-1]) as other, open_layers(other) as after:
                found = list(difference(before, after))
            print(f"read: {sum(1 for _ in before.tree.walk())} names, {len(found)} changes")
    except ImageError as error:
        print(f"refused: {error.message}")


if __name__ == "__main__":
    assert zstandard  # loaded before memory is short
    _read(sys.argv[1:])
