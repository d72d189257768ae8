"""How much of an image is believed. Each limit is far above what real images have, and what is beyond it is an error:
an image is anybody's, and a few kilobytes can claim to be anything."""

MOST_LAYERS = 1000
"""Docker takes 127."""

MOST_MEMBERS = 1 << 20
"""Members of the tars of all layers; each takes half a kilobyte of memory. Large images have 200,000."""

LARGEST_FILE = 1 << 44
"""Bytes: ext4's largest file, 16 TiB. A file with holes takes no room to claim more."""

MOST_SEGMENTS = 1 << 18
"""Parts of the files with holes, in one layer."""

LONGEST_HEADER = 1 << 20
"""Bytes of a PAX header, a long name or a map of holes: what Go's archive/tar, and so docker, allows."""

LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Bytes: PATH_MAX without its NUL, and NAME_MAX, of linux/limits.h."""

LONGEST_XATTR_NAME, LARGEST_XATTR, LARGEST_XATTR_NAMES = 255, 1 << 16, 1 << 16
"""Bytes: XATTR_NAME_MAX, XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h."""

MOST_GLOBAL_XATTRS = 16
"""Extended attributes that a global header gives to all members. Docker and Go know none."""

LARGEST_DOCUMENT = 4 << 20
"""Bytes of a manifest, index or configuration: what a registry accepts (distribution-spec 1.1)."""

MOST_ENTRIES = 10_000
"""Variables, arguments, ports, volumes, labels of a configuration, each. The OCI runtime took a minute for 300,000
variables, and the kernel does not take them (execve(2), E2BIG)."""

DEEPEST_INDEX, MOST_MANIFESTS = 8, 10_000
"""Indexes within indexes, and the manifests in all of them."""
