"""What stat(2) tells, changed."""

from __future__ import annotations

from cntr_core.filesystem import Stat, Status


def without_links(status: Stat) -> Status:
    """The state of a file whose last name is gone, though not on the branch it comes from."""
    values = {name: getattr(status, name) for name in Status._fields}
    return Status(**values)._replace(st_nlink=0)
