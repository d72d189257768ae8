"""The messages of the kernel's FUSE protocol 7.41 (linux/fuse.h): numbers and layouts.

Every layout is named as the struct it is. The kernel's times, offsets and errors are signed, its sizes are
not.
"""

from __future__ import annotations

import enum
from struct import Struct

MAJOR, MINOR = 7, 41
OLDEST_MINOR = 31  # Linux 5.4: max_pages, copy_file_range, no_opendir


class Opcode(enum.IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    DESTROY = 38
    IOCTL = 39
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    TMPFILE = 51
    STATX = 52


class Init(enum.IntFlag):
    """Features, offered by the kernel and answered by us (FUSE_* in INIT's flags and flags2)."""

    ASYNC_READ = 1 << 0
    EXPORT_SUPPORT = 1 << 4
    BIG_WRITES = 1 << 5
    DONT_MASK = 1 << 6
    AUTO_INVAL_DATA = 1 << 12
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14
    ASYNC_DIO = 1 << 15
    PARALLEL_DIROPS = 1 << 18
    POSIX_ACL = 1 << 20
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    HANDLE_KILLPRIV_V2 = 1 << 28
    SETXATTR_EXT = 1 << 29
    INIT_EXT = 1 << 30
    DIRECT_IO_ALLOW_MMAP = 1 << 36
    PASSTHROUGH = 1 << 37


class Fopen(enum.IntFlag):
    DIRECT_IO = 1 << 0
    KEEP_CACHE = 1 << 1
    CACHE_DIR = 1 << 3
    PASSTHROUGH = 1 << 7


class Fattr:
    """What SETATTR shall set. Plain numbers: an operation on an enum's member takes a microsecond."""

    MODE = 1 << 0
    UID = 1 << 1
    GID = 1 << 2
    SIZE = 1 << 3
    ATIME = 1 << 4
    MTIME = 1 << 5
    ATIME_NOW = 1 << 7
    MTIME_NOW = 1 << 8
    KILL_SUIDGID = 1 << 11


WRITE_KILL_SUIDGID = 1 << 2
FSYNC_FDATASYNC = 1 << 0
SETXATTR_ACL_KILL_SGID = 1 << 0
STATX_BASIC_STATS, STATX_BTIME = 0x7FF, 0x800

BACKING_OPEN = 0x4010E501  # _IOW(229, 1, struct fuse_backing_map)
BACKING_CLOSE = 0x4004E502  # _IOW(229, 2, uint32_t)
BACKING_MAP = Struct("=iIQ")  # fd, flags, padding
BACKING_ID = Struct("=I")

IN_HEADER = Struct("=IIQQIIII")  # len, opcode, unique, nodeid, uid, gid, pid, extensions
OUT_HEADER = Struct("=IiQ")  # len, error, unique

INIT_IN = Struct("=IIII")  # major, minor, max_readahead, flags
INIT_IN_FLAGS2 = Struct("=I")  # follows, if the kernel says INIT_EXT
# major, minor, max_readahead, flags, max_background, congestion_threshold, max_write, time_gran, max_pages,
# map_alignment, flags2, max_stack_depth, request_timeout
INIT_OUT = Struct("=IIIIHHIIHHIIH22x")

# ino, size, blocks, atime, mtime, ctime, their nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
ATTR = Struct("=QQQqqqIIIIIIIIII")
ATTR_OUT = Struct("=QI4x")  # attr_valid, attr_valid_nsec; attr follows
ENTRY_OUT = Struct("=QQQQII")  # nodeid, generation, entry_valid, attr_valid, their nanoseconds; attr follows
NO_ATTR = bytes(ATTR.size)

# valid, fh, size, lock_owner, atime, mtime, ctime, their nanoseconds, mode, uid, gid
SETATTR_IN = Struct("=I4xQQQqqqIIII4xII4x")
MKNOD_IN = Struct("=III4x")  # mode, rdev, umask; name follows
MKDIR_IN = Struct("=II")  # mode, umask; name follows
RENAME_IN = Struct("=Q")  # newdir; old and new name follow
RENAME2_IN = Struct("=QI4x")  # newdir, flags; old and new name follow
LINK_IN = Struct("=Q")  # oldnodeid; name follows
OPEN_IN = Struct("=II")  # flags, open_flags
CREATE_IN = Struct("=IIII")  # flags, mode, umask, open_flags; name follows
OPEN_OUT = Struct("=QIi")  # fh, open_flags, backing_id
RELEASE_IN = Struct("=Q16x")  # fh; flags, release_flags, lock_owner
READ_IN = Struct("=QqI20x")  # fh, offset, size
WRITE_IN = Struct("=QqII16x")  # fh, offset, size, write_flags; data follows
WRITE_OUT = Struct("=I4x")  # size
STATFS_OUT = Struct("=QQQQQIII28x")  # blocks, bfree, bavail, files, ffree, bsize, namelen, frsize
FSYNC_IN = Struct("=QI4x")  # fh, fsync_flags
SETXATTR_IN = Struct("=II")  # size, flags; name and value follow
SETXATTR_EXT = Struct("=I4x")  # setxattr_flags, before the name if the feature was agreed on
GETXATTR_IN = Struct("=I4x")  # size; name follows
GETXATTR_OUT = Struct("=I4x")  # size
FALLOCATE_IN = Struct("=QqqI4x")  # fh, offset, length, mode
LSEEK_IN = Struct("=QqI4x")  # fh, offset, whence
LSEEK_OUT = Struct("=q")
COPY_FILE_RANGE_IN = Struct("=QqQQqQQ")  # fh_in, off_in, nodeid_out, fh_out, off_out, len, flags
FORGET_IN = Struct("=Q")  # nlookup
BATCH_FORGET_IN = Struct("=I4x")  # count
FORGET_ONE = Struct("=QQ")  # nodeid, nlookup
IOCTL_IN = Struct("=Q4xI8xII")  # fh, flags, cmd, arg, in_size, out_size; what is handed over follows
IOCTL_OUT = Struct("=i12x")  # result, flags, in_iovs, out_iovs; what is handed back follows
DIRENT = Struct("=QQII")  # ino, off, namelen, type; name follows, padded to 8
STATX_OUT = Struct("=QI20x")  # attr_valid, attr_valid_nsec; statx follows
# mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, attributes_mask, four times as seconds
# and nanoseconds (access, birth, change, modification), rdev major and minor
STATX = Struct("=IIQIIIH2xQQQQqI4xqI4xqI4xqI4xII8x112x")
