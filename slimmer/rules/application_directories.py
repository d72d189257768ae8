"""Where an application has its files: its working directory, those that its command names, and those that it serves."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import ImageView, RuleContext

from .reading import content, shown, was_read

# Of all applications, so of none (hier(7), and where distributions have programs).
SYSTEM_DIRECTORIES = frozenset(
    b"/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /media /mnt /opt /proc /run /sbin /sys /tmp /usr /var "
    b"/usr/bin /usr/games /usr/include /usr/lib /usr/lib64 /usr/libexec /usr/sbin /usr/share /usr/src "
    b"/usr/local /usr/local/bin /usr/local/etc /usr/local/lib /usr/local/sbin /usr/local/share "
    b"/var/cache /var/lib /var/log /var/opt /var/run /var/spool /var/tmp".split()
)
_SYSTEM_TOP = frozenset(
    b"bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var".split()
)
_WORD = re.compile(r"[^\s=:;,|&()<>'\"`]+")
_PROGRAMS_OF_ALL = re.compile(
    rb"(?:ba|da|a|z|k)?sh|busybox|python[\d.]*|pypy[\d.]*|node(?:js)?|bun|deno|ruby[\d.]*|perl[\d.]*|php[\d.]*|php-fpm[\d.]*"
    rb"|java|dotnet|beam\.smp|erl|lua[\d.]*|Rscript|julia|env|tini|dumb-init|su-exec|gosu"
)
_PROGRAM_DIRECTORIES = (b"bin", b"sbin")
_PUBLIC = frozenset(b"public public_html htdocs html www web webroot wwwroot".split())

_SERVER = re.compile(rb"/(?:nginx|openresty|apache2?|httpd|lighttpd|caddy)(?:/|[^/]*\.conf$)|/Caddyfile$")
_LARGEST_SETTING = 1 << 20
_ROOT = re.compile(
    rb"(?:^|[;{\s])(?:(?:Script)?Alias\s+\S+|root|alias|DocumentRoot|server\.document-root\s*=)\s+(?:\*\s+)?[\"']?"
    rb"(?P<path>[$/][^\"'\s;>]*)",
    re.MULTILINE | re.IGNORECASE,
)
_COMMENT = re.compile(rb"^[ \t]*#.*$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
# Java's. WEB-INF is optional (Jakarta Servlet 6.0, 10.5); Tomcat and Jetty deploy what lies in
# webapps, others what is called as an archive.
_WEB_APPLICATION = re.compile(rb"(.+?)/WEB-INF/.*|(.+?/webapps/[^/]+)/.*|(.+?\.[ew]ar)/.*|(.+)/[^/]+\.jspx?", re.DOTALL)


def directories(context: RuleContext) -> Mapping[bytes, str]:
    """Real paths of directories, and of files at the top of the root, each with where that is, as a phrase. None lies
    in another."""
    found: dict[bytes, str] = {}
    for path, because in (*_working(context), *_named(context), *_served(context)):
        real = context.image.lookup(path)
        if real and real.path not in SYSTEM_DIRECTORIES:
            found.setdefault(real.path, because)
    return {path: because for path, because in found.items() if not any(_is_below(path, other) for other in found)}


def _is_below(path: bytes, other: bytes) -> bool:
    return path.startswith(other.rstrip(b"/") + b"/")


def _working(context: RuleContext) -> Iterator[tuple[bytes, str]]:
    directory = posixpath.normpath(posixpath.join(b"/", context.working_dir))
    if directory == b"/":
        yield from _at_the_top(context.image)
    yield directory, f"below the working directory {shown(directory)}"


def _at_the_top(image: ImageView) -> Iterator[tuple[bytes, str]]:
    """What the root has beside the directories of every system."""
    for name in image.list(b"/"):
        found = image.lookup(b"/" + name, follow=False)
        if found and name not in _SYSTEM_TOP and not stat.S_ISLNK(found.kind):
            yield found.path, "at the top of the root, beside the directories of every system"


def _named(context: RuleContext) -> Iterator[tuple[bytes, str]]:
    """The directories that words of the command mean, or in which the files are that they mean."""
    places = [context.working_dir, *os.fsencode(context.environment.get("PATH", DEFAULT_PATH)).split(b":")]
    for argument in context.arguments:
        for word in map(os.fsencode, _WORD.findall(os.fsdecode(argument))):
            for place in places if b"/" not in word else places[:1]:
                yield from _meant(context.image, posixpath.join(b"/", place, word))


def _meant(image: ImageView, path: bytes) -> Iterator[tuple[bytes, str]]:
    found = image.lookup(path)
    if found is None:
        return
    directory = found.path
    if not stat.S_ISDIR(found.kind):
        directory, name = posixpath.split(found.path)
        if _PROGRAMS_OF_ALL.fullmatch(name):
            return
        if posixpath.basename(directory) in _PROGRAM_DIRECTORIES and directory not in SYSTEM_DIRECTORIES:
            directory = posixpath.dirname(directory)
    if directory == b"/":
        yield from _at_the_top(image)
    yield directory, f"below {shown(directory)}, which the command names"


def _served(context: RuleContext) -> Iterator[tuple[bytes, str]]:
    """The roots in the settings of web servers, with the directory around one that has the public part only; and the
    exploded applications of Java."""
    for path in context.used:
        if match := _WEB_APPLICATION.fullmatch(path):
            root = next(filter(None, match.groups()))
            yield root, f"below {shown(root)}, a web application"
    for setting in _settings(context):
        for match in _ROOT.finditer(_COMMENT.sub(b"", content(context.image, setting))):
            root = posixpath.normpath(_expanded(match["path"], context))
            because = f"below {shown(root)}, which {shown(setting)} has served"
            yield root, because
            if posixpath.basename(root) in _PUBLIC:
                yield posixpath.dirname(root), because


def _settings(context: RuleContext) -> Iterator[bytes]:
    """The settings of web servers that were read."""
    for path, operations in sorted(context.used.items()):
        if _SERVER.search(path) and not path.endswith(b".so") and was_read(operations):
            found = context.image.lookup(path)
            if found and stat.S_ISREG(found.kind) and found.size <= _LARGEST_SETTING:
                yield path


def _expanded(path: bytes, context: RuleContext) -> bytes:
    """The path with the environment's variables, as Apache's settings have them; it ends before one that is unknown."""
    known = context.environment
    text = _VARIABLE.sub(lambda match: known.get(match[1], match[0]), os.fsdecode(path))
    before, unknown, _ = text.partition("$")
    return os.fsencode(posixpath.dirname(before) if unknown else before)
