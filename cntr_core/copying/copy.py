"""A copy: one process at the container's side and one at the caller's, with a tar stream between them.

The process at the container's side is a child of the caller's. It joins the container's user namespace where it must,
and the caller's side still is who the caller is; whatever the container's files do to it (a filesystem that never
answers), the caller's side can end it.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from ..errors import CntrError, CopyError
from ..images.streams import decompressed
from ..images.tar.index import Entry
from ..images.tar.members import quoted
from ..kernel import process as kernel_process
from ..kernel.child import ForkedCall, die_with
from ..kernel.syscall import owned
from ..session.privileges import has_user_namespace, join_user_namespace, lacking_privileges
from ..session.target import Target, pin_target
from ..types import ContainerProcess
from .owners import Ids
from .places import Source, find_destination, open_on_host, opener_inside
from .receiving import Owner, Receiver
from .sending import Sender
from .summary import Summary, Watcher, unwatched
from .tar import CHUNK, Descriptor, StreamedTar

T = TypeVar("T")

_GRACE = 1.5
"""Seconds that the container's side has to remove what is not whole."""
_MOST_PADDING, _PADDING_LIMIT = 8, 0.2
"""Pieces of padding behind a tar, and the seconds until the next."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """`archive` keeps owners, by their numbers; `follow` copies what a source's link leads to, and not the link."""

    archive: bool = False
    follow: bool = False


def copy_out(
    process: ContainerProcess,
    source: bytes,
    destination: bytes | None,
    options: CopyOptions = CopyOptions(),
    watch: Watcher = unwatched,
) -> Summary:
    """Copy from the container's `source` to the caller's `destination`; None writes a tar to stdout.

    :raises CopyError: one of the two cannot be; what was copied before stays, and nothing that is not whole.
    :raises BrokenPipeError: nobody reads the tar.
    """
    if destination is None:
        return _ContainerSide(lambda: _send_from(process, source, 1, options, keep=True)).run()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    sending = _ContainerSide(lambda: _send_from(process, source, writer, options, keep=options.archive), reader)
    os.close(writer)

    def receive() -> Summary:
        place = find_destination(open_on_host, destination)
        with owned(place.directory):
            owner = _same if options.archive and os.geteuid() == 0 else _nobody
            tar = StreamedTar(Descriptor(reader))
            receiver = Receiver(tar, place, Source.of(source).name, owner, watch=watch)
            receiver.receive()
            return receiver.summary

    received, sent = sending.beside(receive, reader, sends=False)
    return _merged(received, sent)


def copy_in(
    process: ContainerProcess,
    source: bytes | None,
    destination: bytes,
    options: CopyOptions = CopyOptions(),
    watch: Watcher = unwatched,
) -> Summary:
    """Copy from the caller's `source` to the container's `destination`; None reads a tar from stdin, with its owners.

    :raises CopyError: one of the two cannot be; what was copied before stays, and nothing that is not whole.
    """
    if source is None:
        return _ContainerSide(lambda: _receive_in(process, 0, None, destination, keep=True)).run()
    origin = Source.of(source)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    receiving = _ContainerSide(
        lambda: _receive_in(process, reader, origin.name, destination, keep=options.archive), writer
    )
    os.close(reader)

    def send() -> Summary:
        sender = Sender(writer, watch=watch)
        sender.send(origin, open_on_host, follow=options.follow)
        return sender.summary

    sent, received = receiving.beside(send, writer, sends=True)
    return _merged(received, sent)


def _send_from(process: ContainerProcess, source: bytes, out: int, options: CopyOptions, *, keep: bool) -> Summary:
    def send(target: Target) -> Summary:
        ids = Ids(target.users, target.groups)
        sender = Sender(out, ids, None if keep else (os.geteuid(), os.getegid()))
        sender.send(Source.of(source), opener_inside(target.root), follow=options.follow)
        return sender.summary

    return _at(process, send, join=bool(lacking_privileges()))


def _receive_in(process: ContainerProcess, fd: int, name: bytes | None, path: bytes, *, keep: bool) -> Summary:
    def receive(target: Target) -> Summary:
        opener = opener_inside(target.root)
        place = find_destination(opener, path)
        with owned(place.directory):
            if name is None and not place.is_directory:
                raise CopyError(f"the destination {quoted(path)} of a tar is not a directory", "make it first")
            summary = Summary()
            owner = _owner(Ids(target.users, target.groups), summary, keep=keep)
            if name is None:
                tar = StreamedTar(decompressed(Descriptor(fd))[0])
                Receiver(tar, place, None, owner, summary, follow=opener).receive()
                _drain(fd)
            else:
                Receiver(StreamedTar(Descriptor(fd)), place, name, owner, summary).receive()
            return summary

    # Who does not exist in the user namespace of a filesystem can make nothing there (EOVERFLOW), root neither.
    return _at(process, receive, join=bool(lacking_privileges()) or has_user_namespace(process))


def _drain(fd: int) -> None:
    """Take the padding behind the end mark, so that its writer is not ended by SIGPIPE; what never ends is left."""
    for _ in range(_MOST_PADDING):
        if not select.select([fd], [], [], _PADDING_LIMIT)[0] or not os.read(fd, CHUNK):
            return


def _at(process: ContainerProcess, work: Callable[[Target], T], *, join: bool) -> T:
    """Do `work` as who we are, or as the root of the container's user namespace, which this process joins."""
    if join:
        join_user_namespace(process)
    with pin_target(process, join_cgroup=False) as target:
        return work(target)


def _owner(ids: Ids, summary: Summary, *, keep: bool) -> Owner:
    root = ids.here(0, 0)
    if not keep:
        return lambda _: root

    def owner(entry: Entry) -> tuple[int, int] | None:
        found = ids.here(entry.uid, entry.gid)
        if found is None:
            summary.leave_out(entry.path, f"its owner {entry.uid}:{entry.gid}, whom the container does not have")
        return found or root

    return owner


def _same(entry: Entry) -> tuple[int, int]:
    return entry.uid, entry.gid


def _nobody(_: Entry) -> None:
    return None


def _merged(received: Summary, sent: Summary) -> Summary:
    """What arrived, and what either side left out."""
    received.left_out[:0] = sent.left_out
    received.left_out_count += sent.left_out_count
    return received


class _ContainerSide:
    """The process at the container's side. It closes `other`, the caller's end of the pipe between them."""

    def __init__(self, work: Callable[[], Summary], other: int | None = None) -> None:
        parent = os.getpid()
        self._call = ForkedCall(work, lambda: _settle(parent, other))

    def run(self) -> Summary:
        """What it did."""
        try:
            return self._call.read_all()
        finally:
            self._call.end(_GRACE)

    def beside(self, ours: Callable[[], Summary], end: int, *, sends: bool) -> tuple[Summary, Summary]:
        """What the caller's side did meanwhile, and the container's. `end` is closed when ours is done, which `sends`
        or receives.

        :raises CopyError: one side failed. Where both did, the sender's is the cause, unless nobody read any more.
        """
        try:
            with owned(end):
                done, failure = _attempt(ours)
            theirs, their_failure = _attempt(self._call.read_all)
        finally:
            self._call.end(_GRACE)
        first, second = (failure, their_failure) if sends else (their_failure, failure)
        if error := second if isinstance(first, BrokenPipeError) else first or second:
            raise error
        assert done is not None
        assert theirs is not None
        return done, theirs


def _attempt(work: Callable[[], Summary]) -> tuple[Summary | None, Exception | None]:
    try:
        return work(), None
    except (CntrError, BrokenPipeError) as error:
        return None, error


def _settle(parent: int, other: int | None) -> None:
    """End with the caller, and when asked to, by an exception: what is not whole is removed then. Ctrl-C reaches both
    processes, and is the caller's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    die_with(parent)
    kernel_process.set_dumpable(False)
    if other is not None:
        os.close(other)


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit
