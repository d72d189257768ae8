"""The rule `package-databases`: what scanners for vulnerabilities, and people, learn of an image's packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cntr_core.rules import Keep, Profile, Rule, RuleContext

from .package import Package, read_packages
from .reading import keep_all

_DATABASES = (
    b"/var/lib/dpkg/status",
    b"/var/lib/dpkg/status.d/**",  # distroless and chisel have one file for each package
    b"/var/lib/dpkg/arch",
    b"/lib/apk/db/installed",
    b"/etc/apk/world",
    b"/etc/apk/repositories",
    b"/var/lib/rpm/**",
    b"/usr/lib/sysimage/rpm/**",
    b"/var/lib/chisel/manifest.wall",
)
_RELEASES = (
    b"/etc/os-release",
    b"/usr/lib/os-release",
    b"/etc/debian_version",
    b"/etc/*-release",
)


class PackageDatabases(Rule):
    name = "package-databases"
    description = (
        "The lists of packages, of those that keep a file, with dpkg's lists of their files, and the name of the "
        "distribution, so that scanners go on working."
    )
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        packages = read_packages(context.image)
        owners = {owner for path in context.fresh if (owner := packages.owner_of(path))}
        for package in owners:
            yield from _lists(package)
        if context.first:
            yield from keep_all(context.image, _DATABASES, "scanners learn from it which packages are installed")
            yield from keep_all(context.image, _RELEASES, "it names the distribution")


def _lists(package: Package) -> Iterator[Keep]:
    """The lists that dpkg has of a package's files: without them scanners count a program a second time, as one that no
    package brought."""
    if package.manager == "dpkg":
        because = f"scanners learn from it which files the package {package.name} has brought"
        for name in (package.name, f"{package.name}:{package.architecture}"):
            for kind in ("list", "md5sums"):
                yield Keep(f"/var/lib/dpkg/info/{name}.{kind}".encode(), because)
