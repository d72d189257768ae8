"""What runs first of cntr.pyz: unpacks the rest, once, and starts it.

Modules in C cannot be loaded from an archive, so its files are put into a directory of the user's cache, named by their
digest. Every Python 3 must be able to read this file, to be told that it is too old.
"""

import os
import stat
import sys

import contents  # made by the build: DIGEST, MACHINE, OLDEST, NEWEST

ARCHIVE = os.path.dirname(os.path.abspath(__file__))


def main():
    check()
    tree, reasons = unpacked()
    if tree is None:
        fail("cannot unpack cntr.pyz (%s)" % "; ".join(reasons), "set CNTR_CACHE_DIR to a directory of your own")
    sys.path.insert(0, tree)
    sys.argv[0] = os.path.basename(sys.argv[0]) if sys.argv[0].endswith("-cntr") else "cntr"
    from cntr_core.cli import main as run

    run()


def check():
    """Ends with a sentence where cntr cannot run."""
    version = "%d.%d" % sys.version_info[:2]
    if sys.version_info[:2] < contents.OLDEST:
        fail("Python 3.11 or newer is needed, and this is %s" % version, "run it with python3.11 %s" % ARCHIVE)
    if sys.version_info[:2] > contents.NEWEST:
        fail("this cntr.pyz knows no Python %s" % version, "run it with python%d.%d" % contents.NEWEST)
    if os.uname().machine != contents.MACHINE:
        fail(
            "this cntr.pyz is for %s, and this machine is %s" % (contents.MACHINE, os.uname().machine), "get the other"
        )
    if not has_glibc():
        fail("cntr.pyz needs glibc, which this system does not have", "use the container image")


def has_glibc():
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):  # musl does not know it
        return False


def fail(sentence, hint):
    sys.stderr.write("cntr: %s\n  hint: %s\n" % (sentence, hint))
    sys.exit(125)


def unpacked():
    """The directory of the unpacked files; None where there is none, and the reasons."""
    reasons = []
    for place in places():
        tree = os.path.join(place, "pyz-" + contents.DIGEST)
        try:
            make_private(place)
            if not os.path.isdir(tree):
                unpack(place, tree)
            return tree, reasons
        except OSError as error:
            reasons.append("%s: %s" % (place, error.strerror or error))
    return None, reasons


def places():
    """Directories that may hold the files, the best first."""
    if os.environ.get("CNTR_CACHE_DIR"):
        return [os.environ["CNTR_CACHE_DIR"]]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    cache = "/var/cache" if os.geteuid() == 0 else home
    own = "cntr-%d" % os.geteuid()
    return [os.path.join(cache, "cntr"), os.path.join("/var/tmp", own), os.path.join("/tmp", own)]


def make_private(place):
    """Nobody else may put a file there, which would run as this user; and files there must be allowed to run."""
    os.makedirs(place, mode=0o700, exist_ok=True)
    status = os.lstat(place)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(0, "others may write to it")
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        raise OSError(0, "it is mounted with noexec")


def unpack(place, tree):
    """All files, or none: the directory gets its name when it is complete."""
    import fcntl
    import shutil
    import zipfile

    partial = tree + ".partial"
    with open(os.path.join(place, ".pyz-lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(tree):
            return
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        with zipfile.ZipFile(ARCHIVE) as outer, outer.open("tree.zip") as inner, zipfile.ZipFile(inner) as files:
            files.extractall(partial)
        os.rename(partial, tree)


main()
