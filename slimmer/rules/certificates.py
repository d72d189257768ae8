"""The rule `certificates`: whom a program trusts that speaks TLS. It may do so long after the run that was traced."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from cntr_core.rules import Keep, Profile, Rule, RuleContext

from .binaries import is_go
from .reading import keep_all, shown

# Where distributions have them, as Go's crypto/x509 (root_linux.go) and OpenSSL's OPENSSLDIR know.
_BUNDLES = (
    b"/etc/ssl/certs/ca-certificates.crt",
    b"/etc/ssl/cert.pem",
    b"/etc/ssl/ca-bundle.pem",
    b"/etc/pki/tls/certs/ca-bundle.crt",
    b"/etc/pki/tls/cert.pem",
    b"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    b"/etc/ssl/openssl.cnf",
    b"/usr/lib/ssl/*",
    b"/usr/local/ssl/cert.pem",
)
_HASHED = (b"/etc/ssl/certs", b"/etc/pki/tls/certs")
_HASH = re.compile(rb"[0-9a-f]{8}\.\d+")
_LIBRARY = re.compile(rb"lib(ssl|gnutls|nss3|mbedtls|wolfssl)([-.].*)?\.so(\..*)?")
_JVM = re.compile(rb"libjvm\.so|cacerts")
_JAVA_BUNDLE = (b"/etc/ssl/certs/java/cacerts", b"/etc/pki/java/cacerts", b"/etc/pki/ca-trust/extracted/java/cacerts")


class Certificates(Rule):
    name = "certificates"
    description = "The certificates of authorities, where a program or library that is kept speaks TLS."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for path in sorted(context.fresh):
            if path in _BUNDLES or _LIBRARY.fullmatch(posixpath.basename(path)) or is_go(context.image, path):
                yield from keep_all(context.image, _BUNDLES, f"whom {shown(path)} trusts")
            elif _JVM.fullmatch(posixpath.basename(path)):
                yield from keep_all(context.image, _JAVA_BUNDLE, f"whom {shown(path)} trusts")
        for directory in _HASHED if context.first else ():
            if _looked_up(context, directory):
                because = f"certificates are looked up in {shown(directory)} by their hashes"
                yield from keep_all(context.image, [directory + b"/*"], because)


def _looked_up(context: RuleContext, directory: bytes) -> bool:
    """By name, or by listing; also in vain, when the authority was one that the image does not know."""
    if "readdir" in context.used.get(directory, ()):
        return True
    paths = (path for path in (*context.used, *context.absent) if path.startswith(directory + b"/"))
    return any(_HASH.fullmatch(posixpath.basename(path)) for path in paths)
