"""The inode table and inode numbers, which do no I/O."""

from __future__ import annotations

from cntr_plugins.fs.logic.inodes import ROOT, InodeTable
from cntr_plugins.fs.logic.numbers import InodeNumbers
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.filesystem import Node

REGULAR, DIRECTORY = 0o100000, 0o040000


def table() -> InodeTable[Node]:
    return InodeTable(Node("root", 2, None, b""), DIRECTORY)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_an_inode_lives_exactly_as_long_as_it_is_looked_up(steps: list[tuple[int, bool]]) -> None:
    inodes, counts = table(), dict.fromkeys(range(6), 0)
    numbers: dict[int, int] = {}
    for key, enter in steps:
        if enter:
            inode = inodes.enter(Node(key, key + 10, None, b"x"), REGULAR)
            numbers.setdefault(key, inode.number)
            assert inode.number == numbers[key]
            counts[key] += 1
        elif counts[key]:
            counts[key] -= 1
            assert inodes.forget(inodes[numbers[key]], 1) == (not counts[key])
    assert {inode.node.key: inode.lookups for inode in inodes if inode.number != ROOT} == {
        key: count for key, count in counts.items() if count
    }


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_two_files_never_share_a_number(files: list[tuple[int, int]]) -> None:
    """Even if their inode numbers are the same, or are the root's."""
    inodes = table()
    given_out = {key: inodes.enter(Node(key, ino, None, b"x"), REGULAR).number for key, ino in files}
    assert len(set(given_out.values()) | {ROOT}) == len(given_out) + 1


def test_the_root_is_never_forgotten() -> None:
    inodes = table()
    assert not inodes.forget(inodes.root, 10)
    assert inodes[ROOT] is inodes.root


def test_a_removed_file_and_its_successor_are_two_inodes() -> None:
    inodes = table()
    first = inodes.enter(Node("key", 10, None, b"x"), REGULAR)
    inodes.detach(first)
    second = inodes.enter(Node("key", 10, None, b"x"), REGULAR)
    assert second is not first
    assert second.number != first.number
    assert inodes.forget(first, 1)
    assert inodes.find(Node("key", 10, None, b"x")) is second


def test_another_type_under_the_same_key_is_another_generation() -> None:
    inodes = table()
    first = inodes.enter(Node("key", 10, None, b"x"), REGULAR)
    before = first.generation
    again = inodes.enter(Node("key", 10, None, b"x"), DIRECTORY)
    assert (again.number, again.generation) == (first.number, before + 1)


inos = st.one_of(st.integers(1, 100), st.integers(0, 2**64 - 1))


@given(st.lists(st.tuples(st.integers(0, 40), inos), max_size=50))
def test_inode_numbers_are_stable_and_unique_across_devices(files: list[tuple[int, int]]) -> None:
    numbers = InodeNumbers()
    first = [numbers.number(*file) for file in files]
    assert [numbers.number(*file) for file in files] == first
    assert len(set(first)) == len(set(files))
    assert all(0 <= number < 2**64 for number in first)


def test_the_first_device_keeps_its_numbers() -> None:
    numbers = InodeNumbers()
    assert numbers.number("first", 12345) == 12345
    assert numbers.number("second", 12345) != 12345
