"""``--mount`` and ``--volume`` in docker's words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cntr_core.cli.mounts import own_mounts, read_mounts
from cntr_core.errors import UsageError
from cntr_core.runtime import ContainerMount, in_order

_HERE = os.getcwd()


@pytest.mark.parametrize(
    ("mount", "volume", "words"),
    [
        ((), ("/a:/b",), "/a:/b"),
        ((), ("/a/../c:/b:ro,z",), "/c:/b:ro,z"),
        ((), ("./a:/b",), f"{_HERE}/a:/b"),
        ((), (".:/b",), f"{_HERE}:/b"),
        ((), ("data:/b:nocopy",), "data:/b:nocopy"),
        ((), ("/b",), "/b"),
        (("type=bind,source=/a,target=/b",), (), "/a:/b"),
        (("type=bind,src=/a,dst=/b,readonly",), (), "/a:/b:ro"),
        (("TYPE=bind,src=/a,destination=/b,ro=true",), (), "/a:/b:ro"),
        (("type=bind,src=a,dst=/b,readonly=false,bind-propagation=rslave",), (), f"{_HERE}/a:/b:rslave"),
        (('type=bind,"src=/a,b",dst=/b',), (), "/a,b:/b"),
        (("source=data,target=/b",), (), "data:/b"),
        (("type=volume,target=/b",), (), "/b"),
        (("type=tmpfs,target=/b,tmpfs-size=1m,tmpfs-mode=1777",), (), "/b:size=1m,mode=1777"),
    ],
)
def test_mounts_are_read_as_docker_reads_them(mount: tuple[str, ...], volume: tuple[str, ...], words: str) -> None:
    assert [each.words for each in read_mounts(mount, volume)] == [words]


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("volume", "", "'' is no absolute path"),
        ("volume", "/a:b", "'b' is no absolute path"),
        ("volume", "data", "'data' is no absolute path"),
        ("volume", ":/b", "is no volume"),
        ("volume", "/a:/b:ro:rw", "is no volume"),
        ("volume", "/a:/", "/ is taken"),
        ("mount", "", "is no absolute path"),
        ("mount", "type=npipe,target=/b", "unknown type 'npipe'"),
        ("mount", "type=bind,target=/b", "has no source"),
        ("mount", "type=tmpfs,source=/a,target=/b", "has a source"),
        ("mount", "type=bind,source=/a,target=/b,tmpfs-size=1", "means nothing for a bind"),
        ("mount", "type=bind,source=/a,target=/b,readonly=maybe", "readonly=maybe"),
        ("mount", "type=bind,source=/a,target=b", "'b' is no absolute path"),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_mounts(*(([text], []) if option == "mount" else ([], [text])))
    assert caught.value.message.startswith(f"--{option}: ") and caught.value.hint


def test_two_for_one_place_are_refused() -> None:
    with pytest.raises(UsageError, match="--mount: /b is taken"):
        read_mounts(["type=tmpfs,target=/b"], ["/a:/b/"])


def test_own_containers_get_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = read_mounts(["type=tmpfs,dst=/m,tmpfs-size=1m"], [f"{file}:/f:ro,Z", f"{tmp_path}:/d", "/new"])
    mounts = (
        ContainerMount("/f", str(file), ("ro",)),
        ContainerMount("/d", str(tmp_path)),
        ContainerMount("/m", options=("size=1m",)),
    )
    assert own_mounts(found) == (mounts, ("/new",))


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ("/no/such/file:/b", "there is no /no/such/file"),
        ("data:/b", "volumes with a name, as 'data', belong to an engine"),
        ("/:/b:rx", "unknown mode 'rx'"),
    ],
)
def test_own_containers_have_no_others(volume: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        own_mounts(read_mounts([], [volume]))


def test_places_below_others_come_after_them_and_the_last_of_a_place_counts() -> None:
    mounts = [ContainerMount("/a/b", "/one"), ContainerMount("/a", "/two"), ContainerMount("/a/b/", "/three")]
    entries = in_order(mount.entry() for mount in mounts)
    assert [(entry["destination"], entry["source"]) for entry in entries] == [("/a", "/two"), ("/a/b/", "/three")]
