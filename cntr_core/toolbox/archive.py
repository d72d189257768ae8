"""A Debian archive over HTTP: its signed list of files, its packages, and nothing that these do not vouch for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import ImageError, UsageError
from ..images.streams import CHUNK, Checked, Counted, Counter, Window, decompressed, uncounted
from ..reasons import reason
from .packages import Package, PackageIndex, fields

if TYPE_CHECKING:
    import httpx

_MIRROR = re.compile(r"https?://[A-Za-z0-9\[\]:.-]+(/[A-Za-z0-9_~%+-][A-Za-z0-9._~%+-]*)*/?")
_SUITE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LARGEST_RELEASE = 4 << 20
_LARGEST_INDEX = 1 << 30
_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
_TRIES = 3
_GPGV_PATIENCE = 60.0
"""Seconds that gpgv may take for the signature of a list."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from: an archive, one of its suites, and the keys that sign it. The component is main."""

    mirror: str
    suite: str
    keyring: str
    architecture: str

    def check(self) -> None:
        """:raises UsageError: one of them cannot be; the words may be anybody's."""
        if not _MIRROR.fullmatch(self.mirror):
            raise UsageError(
                f"'{self.mirror}' is not the address of an archive",
                "write it like http://HOST/debian, without a password",
            )
        if not _SUITE.fullmatch(self.suite):
            raise UsageError(f"'{self.suite}' is not the name of a suite", "write it like bookworm")
        if not os.path.isfile(self.keyring):
            raise UsageError(
                f"the archive's keys are not in {self.keyring}",
                "install debian-archive-keyring (Fedora: debian-keyring), or give --keyring FILE",
            )
        if not shutil.which("gpgv"):
            raise UsageError("gpgv, which checks the archive's signature, is not installed", "install gpgv or gnupg2")


def mirror_of_host() -> str:
    """The archive of Debian that apt-get(8) of this machine has read last.

    :raises UsageError: there is none.
    """
    line = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    wanted = ["Created-By: Packages", "Origin: Debian", "Label: Debian", "Component: main"]
    with suppress(FileNotFoundError):
        done = subprocess.run([*line, *wanted], capture_output=True, text=True, timeout=60)
        for mirror in done.stdout.splitlines():
            if _MIRROR.fullmatch(mirror):
                return mirror.rstrip("/")
    raise UsageError(
        "apt-get here knows no archive of Debian", "give its address with --mirror URL (on Debian: run apt-get update)"
    )


class Archive:
    """An open archive; `work` is a directory for its files, which the caller removes."""

    def __init__(self, source: Source, client: httpx.Client, work: str) -> None:
        self._source = source
        self._client = client
        self._work = work
        self._release = self._signed_release()

    @property
    def date(self) -> int:
        """When the suite was published, in seconds since the epoch.

        :raises ImageError: it does not say so.
        """
        try:
            return int(parsedate_to_datetime(self._release.get("date", "")).timestamp())
        except ValueError:
            raise ImageError("the archive's Release file has no date", "try another mirror") from None

    def index(self) -> PackageIndex:
        """What packages there are; :raises ImageError: the archive cannot be read, or is damaged."""
        listed = self._listed()
        for suffix in (".xz", ".gz", ""):
            name = f"main/binary-{self._source.architecture}/Packages{suffix}"
            if name in listed:
                digest, size = listed[name]
                path = self._get(f"dists/{self._source.suite}/{name}", digest, size, uncounted)
                return PackageIndex(_text(path))
        raise ImageError(
            f"the suite {self._source.suite} has no packages for {self._source.architecture}", "choose another suite"
        )

    def fetch(self, package: Package, counter: Counter) -> str:
        """The path of a package's file; :raises ImageError: it cannot be read, or is not what the archive says."""
        return self._get(package.file, package.sha256, package.size, counter)

    def _listed(self) -> dict[str, tuple[str, int]]:
        """The files of the suite: digest and size by name."""
        rows = (line.split() for line in self._release.get("sha256", "").splitlines())
        return {row[2]: (row[0], int(row[1])) for row in rows if len(row) == 3 and row[1].isdecimal()}

    def _signed_release(self) -> dict[str, str]:
        path = self._get(f"dists/{self._source.suite}/InRelease", "", _LARGEST_RELEASE, uncounted)
        release = fields(_verified(path, self._source.keyring))
        if self._source.suite not in (release.get("suite"), release.get("codename")):
            raise ImageError(f"the archive gave another suite than {self._source.suite}", "try another mirror")
        _check_validity(release.get("valid-until"))
        return release

    def _get(self, name: str, sha256: str, size: int, counter: Counter) -> str:
        """The path of the file `name` of the archive, of `size` bytes; without a digest, of that many at most."""
        url = f"{self._source.mirror.rstrip('/')}/{name}"
        target = os.path.join(self._work, name.rpartition("/")[2])
        _again(lambda: self._download(url, target, sha256, size, counter), url)
        return target

    def _download(self, url: str, target: str, sha256: str, size: int, counter: Counter) -> None:
        with self._client.stream("GET", url) as answer, open(target, "wb") as file:
            if answer.status_code != 200:
                raise ImageError(f"{url} answers {answer.status_code}", "check --mirror and --suite")
            digest = f"sha256:{sha256}" if sha256 else ""
            source = Checked(Counted(_Pieces(answer), counter), url, digest, size if sha256 else None)
            while data := source.read(CHUNK):
                file.write(data)
                if file.tell() > size:
                    raise ImageError(f"{url} is larger than {size} bytes", "try another mirror")
            if sha256:
                source.finish()


class _Pieces:
    """An answer's bytes, as a reader."""

    def __init__(self, answer: httpx.Response) -> None:
        self._pieces = answer.iter_raw(CHUNK)

    def read(self, _size: int, /) -> bytes:
        return next(self._pieces, b"")


def _again(download: Callable[[], None], url: str) -> None:
    """Try it, and where the connection fails, some more times; :raises ImageError: it does not work."""
    import httpx

    for attempt in range(1, _TRIES + 1):
        try:
            download()
            break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if attempt == _TRIES:
                raise ImageError(f"{url} cannot be read: {reason(error)}", "check --mirror and the proxy") from error
            time.sleep(attempt)


def _verified(path: str, keyring: str) -> str:
    """The text that is signed in the file at `path`, and nothing that stands beside it.

    :raises ImageError: no key of `keyring` has signed it.
    """
    with open(path, "rb") as file:
        content = file.read()
    if not content.startswith(_BEGIN) or content.count(_BEGIN) != 1:
        raise ImageError("the archive's InRelease file is not one signed message", "try another mirror")
    plain = f"{path}.plain"
    line = ["gpgv", "--quiet", "--status-fd", "1", "--keyring", os.path.abspath(keyring), "--output", plain, path]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "GNUPGHOME": os.path.dirname(path), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, errors="replace", env=environment, timeout=_GPGV_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise ImageError(
            f"gpgv did not check the signature within {_GPGV_PATIENCE:g} s", "give a file of keys with --keyring FILE"
        ) from None
    said = {row.split()[1] for row in done.stdout.splitlines() if row.startswith("[GNUPG:] ")}
    if "GOODSIG" not in said or "BADSIG" in said:  # gpgv fails too where one of several keys is unknown
        raise ImageError(
            f"the archive is not signed by a key of {keyring}", "give the archive's own keys with --keyring FILE"
        )
    with open(plain, encoding="utf-8", errors="replace") as file:
        return file.read()


def _check_validity(until: str | None) -> None:
    try:
        expired = until is not None and parsedate_to_datetime(until).timestamp() < time.time()
    except ValueError:
        expired = True
    if expired:
        raise ImageError(f"the mirror's copy of the archive was valid until {until}", "try another mirror")


def _text(path: str) -> str:
    """The decompressed text of a file."""
    with open(path, "rb") as file:
        plain, _ = decompressed(Window(file.fileno(), 0, os.fstat(file.fileno()).st_size))
        content = bytearray()
        while data := plain.read(CHUNK):
            content += data
            if len(content) > _LARGEST_INDEX:
                raise ImageError(f"the archive's list of packages is larger than {_LARGEST_INDEX} bytes")
    return content.decode(errors="replace")
