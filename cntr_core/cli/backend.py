"""``--fs auto``: the fastest filesystem backend that works here, and is safe for the tree that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import KernelFeatureMissing
from . import output

if TYPE_CHECKING:
    from ..filesystem import Filesystem
    from ..plugins import Plugins
    from ..session import SessionOptions

AUTO = "auto"
_FASTEST_FIRST = ("direct", "pyfuse3")
_OUTLIVING = "kernel"
"""What a container keeps open of its mounts outlives the session: chosen for a public image's tree alone."""


def chosen_backend(plugins: Plugins, options: SessionOptions) -> Filesystem:
    """The backend that `options` name; for :data:`AUTO`, the first that lacks nothing. What it replaces is told.

    :raises PluginError: there is none of that name.
    :raises KernelFeatureMissing: none works here.
    """
    if options.filesystem != AUTO:
        return plugins.filesystem(options.filesystem)
    lacking: list[str] = []
    remedies: list[str] = []
    for backend in _candidates(plugins.filesystems, options):
        missing = backend.missing()
        if not missing:
            if lacking:
                output.say(f"using the filesystem backend {backend.name}, for {' and '.join(lacking)}")
            return backend
        lacking.append(f"{backend.name} lacks {missing[0].what}")
        remedies.append(missing[0].remedy)
    told = "; ".join(lacking) or "none is installed"
    raise KernelFeatureMissing(
        f"no filesystem backend works here: {told}", remedies[0] if remedies else "run cntr doctor"
    )


def _candidates(backends: Sequence[Filesystem], options: SessionOptions) -> list[Filesystem]:
    known = {backend.name: backend for backend in backends}
    shows_image = options.tools.startswith("image:") and options.fat is None and not options.rw_tools
    names = [*_FASTEST_FIRST, *([_OUTLIVING] if shows_image else [])]
    return [known[name] for name in names if name in known]
