"""A Debian archive of a few small packages, with a key of its own, on this machine's loopback."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import lzma
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SUITE = "stone"
DATE = "Sat, 11 Jul 2026 10:16:37 UTC"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ARCHITECTURE = ARCHITECTURES[os.uname().machine]
_LISTS = f"main/binary-{ARCHITECTURE}"


class Signer:
    """A key pair in a directory; `keyring` has the public one."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._home = home
        self.keyring = home / "keys.gpg"
        self._gpg("--passphrase", "", "--quick-generate-key", "test <test@localhost>", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export"))

    def sign(self, text: bytes) -> bytes:
        """`text` as one signed message."""
        return self._gpg("--clearsign", stdin=text)

    def close(self) -> None:
        """End what gpg(1) has started."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True, timeout=30)

    def _gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        line = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--pinentry-mode", "loopback", *words]
        return subprocess.run(line, check=True, input=stdin, capture_output=True, timeout=60).stdout


class DebianArchive:
    """The archive below `root`. What was added is there after :meth:`publish`."""

    def __init__(self, root: Path, signer: Signer) -> None:
        self.root = root
        self.signer = signer
        self.paragraphs: list[str] = []
        (root / "pool").mkdir(parents=True)
        self.suite.mkdir(parents=True)

    @property
    def suite(self) -> Path:
        """The directory of its suite."""
        return self.root / "dists" / SUITE

    def add(
        self, name: str, files: Mapping[str, str | Path], *, script: str = "", architecture: str = "all", **fields: str
    ) -> Path:
        """A package with `files`, whose contents are texts or other files; `script` is its postinst. Gives its file."""
        tree = self.root / "trees" / name
        for path, content in files.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read_bytes() if isinstance(content, Path) else content.encode())
            target.chmod(0o755 if "bin/" in path else 0o644)
        (tree / "DEBIAN").mkdir(parents=True)
        control = {"Package": name, "Version": "1.0-1", "Architecture": architecture, "Maintainer": "t <t@localhost>"}
        control |= {key.replace("_", "-"): value for key, value in fields.items()} | {"Description": name}
        text = "".join(f"{key}: {value}\n" for key, value in control.items())
        (tree / "DEBIAN/control").write_text(text)
        if script:
            (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\nset -e\n{script}\n")
            (tree / "DEBIAN/postinst").chmod(0o755)
        deb = self.root / "pool" / f"{name}_1.0-1_{architecture}.deb"
        line = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)]
        subprocess.run(line, check=True, capture_output=True, timeout=60)
        self.list(deb, text)
        return deb

    def list(self, deb: Path, control: str) -> None:
        """Add a paragraph for a file that lies in the pool."""
        content = deb.read_bytes()
        filename, digest = f"pool/{deb.name}", hashlib.sha256(content).hexdigest()
        self.paragraphs.append(f"{control}Filename: {filename}\nSize: {len(content)}\nSHA256: {digest}\n")

    def publish(self, **fields: str) -> None:
        """Write the lists, and sign them; `fields` are others of the Release file."""
        plain = "\n".join(self.paragraphs).encode()
        lists = {"Packages": plain, "Packages.xz": lzma.compress(plain)}  # apt-get wants the plain one listed as well
        (self.suite / _LISTS).mkdir(parents=True, exist_ok=True)
        (self.suite / _LISTS / "Packages.xz").write_bytes(lists["Packages.xz"])
        release = {"Suite": "stable", "Codename": SUITE, "Date": DATE, "Architectures": ARCHITECTURE}
        release |= {"Components": "main"} | {key.replace("_", "-"): value for key, value in fields.items()}
        text = "".join(f"{key}: {value}\n" for key, value in release.items())
        text += "SHA256:\n"
        for name, content in lists.items():
            text += f" {hashlib.sha256(content).hexdigest()} {len(content)} {_LISTS}/{name}\n"
        (self.suite / "InRelease").write_bytes(self.signer.sign(text.encode()))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, stall: threading.Event | None, **options: Any) -> None:
        self._stall = stall
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if self._stall is not None and self.path.endswith(".deb"):
            self._stall.set()
            self.rfile.read(1)  # until the client is gone
        elif self.path.endswith("/InRelease") and "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send_compressed()
        else:
            super().do_GET()

    def _send_compressed(self) -> None:
        """As servers do with texts, for who takes it."""
        content = gzip.compress(Path(self.translate_path(self.path)).read_bytes())
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(root: Path, stall: threading.Event | None = None) -> Iterator[str]:
    """The address of an HTTP server for the files below `root`, which compresses texts for who takes that. With `stall`
    it never answers who asks for a package, and sets that."""
    handler = functools.partial(_Quiet, directory=str(root), stall=stall)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
