"""No two pairs go to one place; and an image keeps its place whatever else is in the batch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cntr_slimmer.batch.places import places

from cntr_core.errors import UsageError

ENGINES = ("docker",)


def _destinations(*images: str, target: str = "") -> list[str]:
    return [place.destination for place in places(images, [f"{image} x" for image in images], target, ENGINES)]


def test_without_a_target_each_goes_where_it_goes_alone() -> None:
    assert _destinations("nginx.tar", "docker://shop/web:1") == [
        os.path.abspath("nginx-slim.tar"),
        "docker://shop/web:1-slim",
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/out", ["/out/a-slim.tar", "/out/web-slim.tar", "/out/api-slim.tar"]),
        ("docker://", ["docker://a:slim", "docker://shop/web:1-slim", "docker://shop/api:slim"]),
        (
            "registry://localhost:5000/small/",
            [f"registry://localhost:5000/small/{name}" for name in ("a:slim", "shop/web:1-slim", "shop/api:slim")],
        ),
    ],
)
def test_a_target_holds_all_by_their_names(
    target: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar").touch()
    images = ("./a.tar", "docker://shop/web:1", "registry://quay.io/shop/api")
    assert _destinations(*images, target=target) == expected


@pytest.mark.parametrize("target", ["", "/out", "registry://localhost:5000/small"])
def test_images_of_one_name_are_told_apart_whatever_else_there_is(target: str) -> None:
    both = _destinations("a/web.tar", "b/web.tar", target=target)
    assert len(set(both)) == 2
    assert _destinations("b/web.tar", "c.tar", "a/web.tar", target=target)[::2] == both[::-1]


def test_reports_are_apart_where_the_pairs_are() -> None:
    found = places(["docker://one/web", "docker://two/web"], ["1", "2"], "", ENGINES)
    assert len({place.report for place in found}) == 2


def test_an_archive_has_no_room_for_many() -> None:
    with pytest.raises(UsageError, match="room for one pair"):
        _destinations("a.tar", target="x.tar")
