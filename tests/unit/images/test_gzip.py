"""Reading gzip is as strict as zlib: what one refuses, so does the other."""

from __future__ import annotations

import gzip
import io
import zlib

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cntr_core.errors import ImageError
from cntr_core.images.streams import decompressed

_TEXT = b"".join(f"{number * number}\n".encode() for number in range(800))


def _with_name() -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile("a name", "wb", fileobj=stream) as file:
        file.write(_TEXT)
    return stream.getvalue()


_STREAMS = (gzip.compress(_TEXT, 1), gzip.compress(_TEXT, 9), gzip.compress(b""), _with_name())


def _ours(stream: bytes) -> bytes | None:
    try:
        plain, name = decompressed(io.BytesIO(stream))
        assert name == "gzip"
        return b"".join(iter(lambda: plain.read(1000), b""))
    except ImageError:
        return None


def _zlibs(stream: bytes) -> bytes | None:
    content = b""
    while stream := stream.lstrip(b"\0"):
        decoder = zlib.decompressobj(wbits=31)
        try:
            content += decoder.decompress(stream)
        except zlib.error:
            return None
        if not decoder.eof:
            return None
        stream = decoder.unused_data
    return content


@settings(max_examples=2000)
@given(
    st.sampled_from(_STREAMS),
    st.lists(st.tuples(st.integers(2, 1 << 16), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 30),
)
def test_a_damaged_stream(stream: bytes, damages: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(stream)
    for position, value in damages:
        damaged[2 + position % (len(damaged) - 2)] = value
    content = bytes(damaged[: len(damaged) - cut])
    if content.startswith(b"\x1f\x8b"):
        assert _ours(content) == _zlibs(content)


@pytest.mark.parametrize("flag", [0x20, 0x40, 0x80])
def test_flags_of_the_future_are_refused(flag: int) -> None:
    stream = bytearray(_STREAMS[0])
    stream[3] |= flag
    with pytest.raises(ImageError, match="its gzip data is corrupt: unknown flags"):
        decompressed(io.BytesIO(bytes(stream)))[0].read(1)


def test_members_that_follow_each_other() -> None:
    assert _ours(_STREAMS[0] + bytes(512) + _STREAMS[3]) == 2 * _TEXT
