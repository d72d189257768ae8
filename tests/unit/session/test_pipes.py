"""What we open again is ours alone: the caller's own open file stays as it is."""

import fcntl
import os
import socket
from pathlib import Path

from cntr_core.session.pipes import make_streams, reopened
from cntr_core.session.relay import Stream


def test_a_pipe_is_opened_again_and_only_that_does_not_block() -> None:
    read, write = os.pipe()
    with reopened(write) as own:
        assert own != write
        assert not os.get_blocking(own) and os.get_blocking(write)
        os.write(own, b"x")
    assert os.read(read, 10) == b"x"
    os.close(write)
    assert os.read(read, 10) == b"", "nothing of it is left open"
    os.close(read)


def test_a_fifo_that_nobody_reads_is_taken_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    read = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    write = os.open(tmp_path / "fifo", os.O_WRONLY)
    os.close(read)
    with reopened(write) as own:
        assert own == write
    os.close(write)


def test_what_was_opened_for_reading_is_not_opened_for_writing() -> None:
    read, write = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    for sink in (read, null):
        with reopened(sink) as own:
            assert own == sink
    for fd in (read, write, null):
        os.close(fd)


def test_a_file_keeps_its_offset(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file, reopened(file.fileno()) as own:
        assert own == file.fileno()


def test_a_socket_is_taken_as_it_is() -> None:
    one, other = socket.socketpair()
    with one, other, reopened(one.fileno()) as own:
        assert own == one.fileno()


def test_what_does_not_block_takes_more_than_a_page_at_once() -> None:
    source, feed = os.pipe()
    drain, sink = os.pipe()
    os.set_blocking(source, False)
    os.write(feed, bytes(50_000))
    with reopened(sink) as own:
        Stream(source, own, lambda: None).read()
    os.set_blocking(drain, False)
    assert len(os.read(drain, 100_000)) == 50_000
    for fd in (source, feed, drain, sink):
        os.close(fd)


def test_a_pipe_of_the_callers_that_blocks_gets_no_more_than_it_surely_takes() -> None:
    source, feed = os.pipe()
    drain, sink = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(drain, False)
    os.write(feed, bytes(50_000))
    stream = Stream(source, sink, lambda: None)
    stream.read()
    stream.write()
    assert len(os.read(drain, 100_000)) == 4096
    for fd in (source, feed, drain, sink):
        os.close(fd)


def test_pipes_of_the_command_have_room() -> None:
    ends = make_streams(wants_terminal=False)
    assert ends.child.stdin is not None
    assert fcntl.fcntl(ends.child.stdin, fcntl.F_GETPIPE_SZ) == 1 << 18
    ends.close_ours()
    ends.close_the_childs()
