from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.kernel.idmap import MAX_EXTENTS, Extent, IdMapping, overflow_ids
from cntr_core.kernel.namespaces import CLONE_NEWUSER, unshare
from tests.support.children import child
from tests.support.recorded import fixture


def _mapping(name: str) -> IdMapping:
    return IdMapping.parse(fixture(f"idmap/{name}.uid_map"))


def test_rootless_podman() -> None:
    mapping = _mapping("rootless")
    assert mapping.extents == (Extent(0, 1000, 1), Extent(1, 100000, 65536))
    assert [mapping.to_outside(i) for i in (0, 1, 65536, 65537)] == [1000, 100000, 165535, None]
    assert [mapping.to_inside(i) for i in (1000, 1001, 100000, 165536, 0)] == [0, None, 1, None, None]


def test_a_passed_through_uid() -> None:
    mapping = _mapping("lxd-passthrough")
    assert mapping.to_outside(1000) == 1000
    assert mapping.to_inside(1000) == 1000
    assert mapping.to_inside(1001000) is None


def test_the_initial_namespace_is_the_identity() -> None:
    mapping = _mapping("initial")
    assert mapping.to_outside(4294967294) == 4294967294
    assert mapping.to_outside(4294967295) is None  # (uid_t) -1 is nobody
    assert mapping.to_outside(-1) is None


def test_a_namespace_without_a_map_maps_nothing() -> None:
    assert IdMapping.parse(b"").to_outside(0) is None
    assert IdMapping.parse(b"\n").extents == ()


_PAIRS = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50), st.integers(0, 50)), max_size=MAX_EXTENTS)


@given(_PAIRS, st.randoms(use_true_random=False))
def test_maps_round_trip_and_are_inverse_to_themselves(spans: list[tuple[int, int, int]], random: object) -> None:
    extents, inside, outside = [], 0, 0
    for count, gap_inside, gap_outside in spans:
        inside, outside = inside + gap_inside, outside + gap_outside
        extents.append(Extent(inside, outside, count))
        inside, outside = inside + count, outside + count
    random.shuffle(extents)  # type: ignore[attr-defined]  # hypothesis' Random
    mapping = IdMapping(tuple(extents))
    assert IdMapping.parse(mapping.format()) == mapping
    for extent in extents:
        for number in (extent.inside, extent.inside + extent.count - 1):
            outer = mapping.to_outside(number)
            assert outer is not None
            assert mapping.to_inside(outer) == number


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        IdMapping.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"0 0\n",
        b"0 0 0\n",
        b"0 -1 1\n",
        b"0 0 1 1\n",
        b"0 4294967295 2\n",
        b"0 0 10\n5 100 10\n",
        b"0 100 10\n50 105 10\n",
        b"".join(b"%d %d 1\n" % (i, i) for i in range(MAX_EXTENTS + 1)),
    ],
)
def test_what_no_kernel_would_accept_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        IdMapping.parse(data)


@pytest.mark.requires("root", "userns")
def test_the_kernel_takes_a_map_as_we_write_it_and_maps_ids_as_we_do(tmp_path: os.PathLike[str]) -> None:
    mapping = IdMapping(tuple(Extent(i * 10, 500000 + i * 7, 3) for i in range(250)))
    go_reader, go = os.pipe()
    reader, answer = os.pipe()
    path = f"{tmp_path}/file"
    with open(path, "w"):
        os.chown(path, 500008, -1)
    file = os.open(path, os.O_RDONLY)

    def inside() -> None:
        unshare(CLONE_NEWUSER)
        os.write(answer, b"x")
        os.read(go_reader, 1)
        with open("/proc/self/uid_map", "rb") as own:
            os.write(answer, own.read() + b"uid %d" % os.fstat(file).st_uid)

    with child(inside) as pid:
        os.read(reader, 1)
        # A map is written by a process outside of the namespace, in one piece of less than a page.
        with open(f"/proc/{pid}/uid_map", "wb", buffering=0) as theirs:
            theirs.write(mapping.format())
        os.write(go, b"x")
        text, _, uid = os.read(reader, 1 << 16).partition(b"uid ")
    for fd in (go_reader, go, reader, answer, file):
        os.close(fd)
    assert IdMapping.parse(text) == mapping
    assert int(uid) == mapping.to_inside(500008) == 11


def test_overflow_ids_are_what_stat_shows_for_unmapped_files() -> None:
    assert overflow_ids() == (65534, 65534)
