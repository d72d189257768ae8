"""Bytes go through unchanged, whatever their number and whoever stops first."""

import os
import threading
import time

import pytest

from cntr_core.session.relay import Loop, Stream


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return read, write


def _feed(fd: int, data: bytes) -> threading.Thread:
    def write() -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except BrokenPipeError:
            pass
        os.close(fd)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def _collect(fd: int, into: bytearray, pause: float = 0) -> threading.Thread:
    def read() -> None:
        while data := os.read(fd, 3000):
            into.extend(data)
            time.sleep(pause)
        os.close(fd)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 3_000_000])
def test_every_byte_arrives_in_order(size: int) -> None:
    data = os.urandom(size)
    source, feed = _pipe()
    drain, sink = os.pipe()
    received = bytearray()
    threads = [_feed(feed, data), _collect(drain, received)]
    loop = Loop()
    loop.streams.append(Stream(source, sink, loop.stop))
    loop.run(lambda: None)
    os.close(sink)
    for thread in threads:
        thread.join()
    os.close(source)
    assert bytes(received) == data


def test_a_slow_reader_loses_nothing_and_bounds_what_is_kept() -> None:
    data = os.urandom(600_000)
    source, feed = _pipe()
    drain, sink = os.pipe()
    received = bytearray()
    threads = [_feed(feed, data), _collect(drain, received, pause=0.0005)]
    loop = Loop()
    stream = Stream(source, sink, loop.stop)
    largest = 0

    def watch() -> None:
        nonlocal largest
        largest = max(largest, len(stream._buffer))
        return

    loop.streams.append(stream)
    loop.run(watch)
    os.close(sink)
    for thread in threads:
        thread.join()
    os.close(source)
    assert bytes(received) == data
    assert largest <= 2 * 262_144


def test_a_reader_that_goes_away_ends_the_stream() -> None:
    source, feed = _pipe()
    drain, sink = os.pipe()
    os.close(drain)
    thread = _feed(feed, b"x" * 1_000_000)
    loop = Loop()
    stream = Stream(source, sink, loop.stop)
    loop.streams.append(stream)
    loop.run(lambda: None)
    assert stream.ended
    os.close(source)
    os.close(sink)
    thread.join()


def test_a_pty_whose_other_side_closed_is_at_its_end() -> None:
    master, slave = os.openpty()
    os.write(slave, b"last words")
    os.close(slave)
    drain, sink = os.pipe()
    loop = Loop()
    loop.streams.append(Stream(master, sink, loop.stop))
    loop.run(lambda: None)
    assert os.read(drain, 100) == b"last words"
    for fd in (master, drain, sink):
        os.close(fd)


def test_the_loop_calls_back_for_watched_descriptors_and_deadlines() -> None:
    read, write = _pipe()
    loop = Loop()
    seen: list[str] = []

    def ready() -> None:
        seen.append(os.read(read, 10).decode())
        loop.stop()

    def deadline() -> float:
        if not seen:
            seen.append("deadline")
            os.write(write, b"ready")
        return 10.0

    loop.watched[read] = ready
    loop.run(deadline)
    assert seen == ["deadline", "ready"]
    os.close(read)
    os.close(write)
