"""Telling the kernel of what others change behind the mount.

By a thread, which the notifier may hold up (notifier.py). Each change is told of twice, at once and a little later: an
answer that was made before the change may reach the kernel after the first notice.

The whole filesystem is heard, so others may keep it busy. A fifth of a processor is what they get: the listener rests
after its work, and where the queue overflows meanwhile it lets the kernel ask anew each second, until that is over.
"""

from __future__ import annotations

import logging
import os
import select
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from cntr_core.kernel import fanotify
from cntr_core.kernel.fanotify import FileEvent, FileHandle

from . import notices
from .inodes import Inode
from .notifier import Notifier
from .operations import Operations
from .stop import end_server
from .timeouts import Timeouts
from .watch import NAMES, Watch

_log = logging.getLogger(__name__)

_PAUSE = 0.005  # seconds between two looks at the queue, in which the kernel merges what is alike
_AGAIN = 0.5  # seconds until the second notice, at least
_CALM = 1.0  # seconds in which the queue must not overflow
_REST = 4  # times as long as the thread has worked
_BYTES = 1 << 16
_OF_FILES = NAMES | fanotify.FAN_ATTRIB | fanotify.FAN_MODIFY | fanotify.FAN_CLOSE_WRITE


class _Change(NamedTuple):
    """A file below (st_dev and st_ino) has other attributes, and content with `content`; or `name` in it stands for
    something else."""

    device: int
    number: int
    is_directory: bool
    content: bool
    name: bytes


_Found = dict[FileHandle, os.stat_result | None]


def listen(notifier: Notifier, operations: Operations[Any], timeouts: Timeouts[Any]) -> None:
    """Watch what the branch shows, where that is possible, and have the kernel keep it for ever. The calling thread is
    the one that serves."""
    policy = timeouts.policy
    wanted = policy.watched and policy.timeout and not policy.unchanging
    watch = Watch.start() if wanted else None
    if watch is None:
        return
    operations.branch.watch(watch)
    timeouts.watching = True
    listener = _Listener(notifier, watch, operations, timeouts)
    threading.Thread(target=listener.run, name="listener", daemon=True).start()


class _Listener:
    def __init__(self, notifier: Notifier, watch: Watch, operations: Operations[Any], timeouts: Timeouts[Any]) -> None:
        self._notifier = notifier
        self._watch = watch
        self._operations = operations
        self._timeouts = timeouts
        self._pid = os.getpid()
        self._recent: dict[_Change, None] = {}
        self._older: dict[_Change, None] = {}
        self._due = 0.0
        self._overflown = False
        self._alive = True
        self._server = threading.get_ident()

    def run(self) -> None:
        """Until the mount is gone. The server ends as well, where nobody is left to write notices: what the kernel
        keeps for ever would be wrong sooner or later."""
        try:
            self._listen()
        except Exception:
            _log.exception("changes from outside are no longer told of")
            self._timeouts.watching = False
            self._flush()
        if not self._alive:
            end_server(self._server)

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._watch.group, select.POLLIN)
        poll.register(self._notifier.fileno(), 0)  # POLLHUP alone
        while self._alive:
            pending = self._recent or self._older or self._overflown
            ready = dict(poll.poll(1000 * _AGAIN if pending else None))
            began = time.thread_time()
            self._alive = self._notifier.fileno() not in ready
            if self._watch.group in ready:
                self._read()
            if time.monotonic() >= self._due:
                self._repeat()
            _rest(_PAUSE, time.thread_time() - began)

    def _repeat(self) -> None:
        """Tell of older changes again."""
        if self._overflown:
            self._flush()
            self._overflown = False
        for change in self._older:
            self._tell(change)
        self._older, self._recent = self._recent, {}
        self._due = time.monotonic() + _AGAIN

    def _read(self) -> None:
        """Tell of what is in the queue."""
        changes: dict[_Change, None] = {}
        found: _Found = {}
        for event in self._events():
            if event.mask & fanotify.FAN_Q_OVERFLOW:
                self._wait_for_calm()
            elif event.pid != self._pid:
                changes.update(dict.fromkeys(self._changes(event, found)))
            elif self._operations.branch.has_aliases():  # the kernel has asked for it, by one of them
                changes.update((change, None) for change in self._changes(event, found) if change.is_directory)
        for change in changes:
            self._tell(change)
        self._recent |= changes

    def _events(self) -> Iterator[FileEvent]:
        """Those in the queue."""
        with suppress(BlockingIOError):
            while True:
                yield from fanotify.file_events(os.read(self._watch.group, _BYTES))

    def _wait_for_calm(self) -> None:
        """Nobody knows what has changed: all is to be asked for again, and nothing is kept for long while there is more
        than the queue holds."""
        _log.debug("too many changes from outside: the kernel asks anew each second")
        self._timeouts.watching = False
        began = time.thread_time()
        self._flush()
        worked = time.thread_time() - began
        lost = True
        while lost:
            _rest(_CALM, worked)
            lost = sum(event.mask & fanotify.FAN_Q_OVERFLOW for event in self._events()) > 0
        self._timeouts.watching = True
        self._overflown, self._due = True, time.monotonic() + _AGAIN

    def _changes(self, event: FileEvent, found: _Found) -> Iterator[_Change]:
        """What an event stands for. A file that is gone has nothing to be told."""
        file, directory = (self._found(handle, found) for handle in (event.file, event.directory))
        if event.directory is not None and file is None:
            file = self._watch.find_name(event.directory, event.name)
        places = [(file, b"")]
        if event.mask & NAMES:
            places += [(directory, b""), (directory, event.name)]
        elif event.name == b".":
            places = [(directory, b"")]
        content = event.mask & _OF_FILES != fanotify.FAN_ATTRIB
        for status, name in places:
            if status is not None:
                yield _Change(status.st_dev, status.st_ino, stat.S_ISDIR(status.st_mode), content, name)

    def _found(self, handle: FileHandle | None, found: _Found) -> os.stat_result | None:
        """What a handle names; the queue names the same ones often."""
        if handle is None:
            return None
        if handle not in found:
            found[handle] = self._watch.find(handle)
        return found[handle]

    def _tell(self, change: _Change) -> None:
        for key in self._operations.branch.keys(change.device, change.number, change.is_directory):
            inode = self._operations.inodes.known(key)
            if inode is None:
                continue
            if change.name:
                self._send(notices.name(inode.number, change.name))
            else:
                self._send((notices.content if change.content else notices.attributes)(inode.number))

    def _send(self, message: bytes) -> None:
        self._alive = self._alive and self._notifier.tell(message)

    def _flush(self) -> None:
        """Everything is to be asked for again."""
        for absent in self._timeouts.absent_names.copy():
            self._timeouts.absent_names.pop(absent, None)
            self._send(notices.name(*absent))
        for inode in self._operations.inodes.all():
            self._send(notices.content(inode.number))
            self._expire_name(inode)

    def _expire_name(self, inode: Inode[Any]) -> None:
        node = inode.node
        above = None if node.parent is None else self._operations.inodes.known(node.parent.key)
        if above is not None:
            self._send(notices.name(above.number, node.name))


def _rest(seconds: float, worked: float) -> None:
    """Sleep so long at least, and in proportion to the work done."""
    time.sleep(max(seconds, _REST * worked))
