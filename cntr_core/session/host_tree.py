"""What a session shows of the host's tree when it takes its tools from there: what programs need, and no more.

The container's processes can reach the session's root through ``/proc/PID/root`` where they may trace it (proc(5)), so
everything here is shown to the container as well. A list of secrets would never be complete; this one need not be: a
tool that misses a file says so, and ``--tools dir:/`` shows everything.
"""

from __future__ import annotations

from ..filesystem import Part

PUBLIC: dict[str, tuple[str, ...]] = {
    "the dynamic linker finds libraries": ("etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d"),
    "which of several programs a name means": ("etc/alternatives", "etc/static"),
    "TLS: certificates of authorities, and OpenSSL's defaults": (
        "etc/ssl/certs", "etc/ssl/cert.pem", "etc/ssl/ca-bundle.pem", "etc/ssl/openssl.cnf", "etc/ca-certificates",
        "etc/ca-certificates.conf", "etc/pki/ca-trust", "etc/pki/tls/certs", "etc/pki/tls/cert.pem",
        "etc/pki/tls/openssl.cnf", "etc/pki/java/cacerts", "etc/crypto-policies", "etc/gnutls",
        "var/lib/ca-certificates",
    ),
    "Java: its security policy and authorities, linked from /usr/lib/jvm": ("etc/java*", "etc/.java/.systemPrefs"),
    "names of services, protocols, networks and hosts": (
        "etc/nsswitch.conf", "etc/services", "etc/protocols", "etc/rpc", "etc/networks", "etc/ethertypes",
        "etc/host.conf", "etc/gai.conf", "etc/netconfig", "etc/iproute2",
    ),
    "kinds of files: file(1), HTTP clients": ("etc/magic", "etc/magic.mime", "etc/mime.types", "etc/mailcap"),
    "terminals, locales, time": (
        "etc/terminfo", "etc/inputrc", "etc/locale.alias", "etc/locale.conf", "etc/timezone", "etc/adjtime",
    ),
    "which system the tools are from": (
        "etc/*-release", "etc/*_version", "etc/os-release", "etc/lsb-release", "etc/issue", "etc/issue.net",
    ),
    "shells": (
        "etc/bash.bashrc", "etc/bash/bashrc*", "etc/bashrc", "etc/bash_completion", "etc/bash_completion.d",
        "etc/profile", "etc/profile.d/bash_completion.sh", "etc/profile.d/color*", "etc/profile.d/lang.*",
        "etc/profile.d/less.*", "etc/profile.d/vte*", "etc/profile.d/which2.*", "etc/profile.d/debuginfod.*",
        "etc/zsh/zshrc", "etc/zsh/newuser.zshrc.recommended", "etc/zshrc", "etc/fish/config.fish", "etc/shells",
        "etc/DIR_COLORS*", "etc/dircolors", "etc/csh.cshrc",
    ),
    "editors, pagers, multiplexers": (
        "etc/vim", "etc/vimrc", "etc/virc", "etc/nanorc", "etc/emacs", "etc/lesskey", "etc/screenrc", "etc/tmux.conf",
        "etc/htoprc", "etc/toprc", "etc/manpath.config", "etc/man_db.conf", "etc/groff", "var/lib/vim",
    ),
    "debuggers and tracers": (
        "etc/gdb", "etc/gdbinit", "etc/gdbinit.d", "etc/debuginfod", "etc/bpftrace", "etc/bcc", "etc/libaudit.conf",
        "etc/gprofng.rc", "etc/sysstat/sysstat.ioconf", "etc/lttng", "boot/config-*",
    ),
    "interpreters": ("etc/perl", "etc/python*", "etc/lua*", "etc/php/*/cli", "var/lib/python", "var/lib/ghc"),
    "fonts and X clients": ("etc/fonts", "etc/X11/rgb.txt", "etc/X11/xkb", "etc/X11/app-defaults"),
    "packages: which one a tool is of": ("etc/debian_version", "etc/dpkg"),
    "small settings without accounts": (
        "etc/papersize", "etc/xattr.conf", "etc/mke2fs.conf", "etc/sensors3.conf", "etc/mtab", "etc/login.defs",
    ),
}  # fmt: skip
"""Below /etc, /var and /boot, by reason; of it what every user of the host may read (see `Part.public`)."""

_LIBRARIES = ("lib", "lib32", "lib64", "libx32", "libexec")
_PROGRAMS = ("bin", "sbin", *_LIBRARIES)
_JAVA = ("*jdk*", "*java*", "*jvm*")


def _below(places: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{place}/{name}".lstrip("/") for place in places for name in names)


WHOLE: dict[str, tuple[str, ...]] = {
    "programs, libraries, and what packages brought with them": (
        *_below(("", "usr"), *_PROGRAMS),
        *_below(("usr",), "share", "include", "games", "src", "*-linux-*"),
        *("nix/store", "gnu/store"),
    ),
    "what package managers and caches know of them": (
        *_below(("var/lib",), "dpkg", "rpm", "pacman/local", "alternatives", "command-not-found"),
        *_below(("var/cache",), "man", "fontconfig"),
    ),
    "programs that were installed by hand": (
        *_below(("usr/local", "usr/local/*"), *_PROGRAMS),
        *_below(("usr/local",), "include", "share", "man", "games", "go"),
    ),
    "programs of vendors": _below(("opt", "opt/*", "opt/*/usr", "opt/rh/*/root/usr"), *_PROGRAMS),
    "Java that was installed by hand": tuple(
        f"{place}/{java}/{name}"
        for place in ("opt", "usr/local")
        for java in _JAVA
        for name in ("conf", "jmods", "jre", "release", "legal")
    ),
}
"""Elsewhere, by reason: whole, with all that lies below."""

HOME: dict[str, tuple[str, ...]] = {
    "programs": (
        "bin/[!.]*", ".local/bin/[!.]*", ".local/lib", "go/bin", ".cargo/bin", ".krew/bin", ".deno/bin", ".bun/bin",
    ),
    "what the programs there are links to": (
        ".local/share/pipx/venvs", ".local/share/uv/tools", ".local/share/uv/python", ".local/share/mise/installs",
        ".local/share/mise/shims", ".local/share/pypoetry/venv", ".local/pipx/venvs", ".rustup/toolchains",
        ".rustup/settings.toml", ".pyenv/bin", ".pyenv/shims", ".pyenv/libexec", ".pyenv/versions", ".pyenv/plugins",
        ".pyenv/pyenv.d", ".pyenv/version", ".rbenv/bin", ".rbenv/shims", ".rbenv/libexec", ".rbenv/versions",
        ".nvm/versions", ".asdf/bin", ".asdf/shims", ".asdf/installs", ".sdkman/candidates", ".nix-profile",
    ),
    "how editors and debuggers look and feel": (
        ".inputrc", ".vimrc", ".vim", ".config/nvim/init.*", ".nanorc", ".gdbinit", ".config/gdb/gdbinit", ".tmux.conf",
        ".screenrc", ".dircolors", ".terminfo", ".toprc", ".config/htop/htoprc",
    ),
}  # fmt: skip
"""Of the caller's own home directory, and of no other."""

PREFIX = (*_LIBRARIES, "include", "pyvenv.cfg")
"""What belongs to the programs of a directory called ``bin`` or ``sbin``, beside it: of a virtual environment, say."""


def listed() -> Part:
    """What is shown on every machine."""
    part = Part()
    for paths in PUBLIC.values():
        for path in paths:
            part.add(path, public=True)
    for paths in WHOLE.values():
        for path in paths:
            part.add(path)
    return part
