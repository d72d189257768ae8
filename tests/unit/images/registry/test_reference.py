"""Names of images in registries, and of destinations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from cntr_core.errors import CntrError, EngineError, ImageError, UsageError
from cntr_core.images.registry.reference import RegistryReference
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import EngineDestination, RegistryDestination, parse_destination
from cntr_core.types import EngineStatus
from tests.unit.images.write.making import packed, which

_DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "host", "name", "target", "base"),
    [
        ("r.example/app", "r.example", "app", "latest", "https://r.example/v2/"),
        ("r.example:5000/a/b_c/d.e:1.0-x", "r.example:5000", "a/b_c/d.e", "1.0-x", "https://r.example:5000/v2/"),
        (f"r.example/app@{_DIGEST}", "r.example", "app", _DIGEST, "https://r.example/v2/"),
        (f"r.example/app:1@{_DIGEST}", "r.example", "app", _DIGEST, "https://r.example/v2/"),
        ("localhost/app:1", "localhost", "app", "1", "http://localhost/v2/"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000", "app", "latest", "http://127.0.0.1:5000/v2/"),
        ("[::1]:5000/app", "[::1]:5000", "app", "latest", "http://[::1]:5000/v2/"),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest", "https://registry-1.docker.io/v2/"),
        ("index.docker.io/shop/app:1", "docker.io", "shop/app", "1", "https://registry-1.docker.io/v2/"),
        ("registry-1.docker.io/library/x", "docker.io", "library/x", "latest", "https://registry-1.docker.io/v2/"),
        ("localhost.example/app", "localhost.example", "app", "latest", "https://localhost.example/v2/"),
    ],
)
def test_references(text: str, host: str, name: str, target: str, base: str) -> None:
    for spelt in (text, f"registry://{text}"):
        reference = RegistryReference.parse(spelt)
        assert (reference.host, reference.name, reference.target, reference.base) == (host, name, target, base)


@pytest.mark.parametrize(
    "text",
    ["", "app", "/app", "r.example/", "r.example/App", "r.example/../x", "r.example/a//b", "r.example/app:", "r/a b",
     "u:p@r.example/app", "r.example/app@md5:00", f"r.example/app@{_DIGEST}0", "r.example/app?x", "r.example/app#x"],
)  # fmt: skip
def test_references_that_name_nothing(text: str) -> None:
    with pytest.raises(CntrError) as caught:
        RegistryReference.parse(text)
    assert repr(text.partition("@")[2])[1:-1] in caught.value.message


class _Taker:
    """An engine that keeps what it is given."""

    name = "keeper"

    def __init__(self) -> None:
        self.archive = b""

    def status(self) -> EngineStatus:
        return EngineStatus(available=False, detail="keeper sleeps", hint="wake it")

    def import_image(self, archive: Iterable[bytes]) -> None:
        self.archive = b"".join(archive)


def test_an_engine_is_given_an_uncompressed_archive_under_its_name(tmp_path: Path) -> None:
    engine = _Taker()
    destination = parse_destination("keeper://app:1", [engine])
    assert isinstance(destination, EngineDestination)
    assert destination.compression is Compression.NONE
    destination.save([("", packed(tmp_path, "one")), ("app:2", packed(tmp_path, "two"))])
    (tmp_path / "kept").write_bytes(engine.archive)
    assert which(f"{tmp_path}/kept:app:1") == "one"
    assert which(f"{tmp_path}/kept:app:2") == "two"


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.tar").mkdir()
    for text in ("app.tar", "app", "there.tar", "./sub:1"):
        destination = parse_destination(text)
        assert destination.compression is Compression.GZIP
        destination.save([("app", packed(tmp_path / "work", text))])
        assert which(tmp_path / text) == text
    assert (tmp_path / "app.tar").is_file()
    assert (tmp_path / "there.tar").is_dir()


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    for text in (f"{tmp_path}/app.tar", f"{tmp_path}/app", str(tmp_path)):
        parse_destination(text).check()
    assert list(tmp_path.iterdir()) == []
    for text in ("/proc/app.tar", "/proc/app"):
        with pytest.raises(ImageError, match="/proc cannot be written"):
            parse_destination(text).check()
    with pytest.raises(EngineError, match="keeper sleeps") as caught:
        parse_destination("keeper://app:1", [_Taker()]).check()
    assert caught.value.hint == "wake it"


def test_destinations_that_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for text, said in {
        "": "is empty",
        "nobody://app": "unknown destination 'nobody://'",
        f"{tmp_path}/file": "is a file",
        f"{tmp_path}/absent/app.tar": "there is no directory",
        "registry://nothing": "is not an image in a registry",
        "keeper://Not A Name": "is not a valid name for an image of an engine",
        "keeper://": "is not a valid name for an image of an engine",
    }.items():
        with pytest.raises(UsageError, match=said) as caught:
            parse_destination(text, [_Taker()])
        assert caught.value.hint
    assert "keeper" in _hint("nobody://app")


def _hint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_destination(text, [_Taker()])
    return caught.value.hint


@pytest.mark.parametrize(
    ("source", "mounted"),
    [
        ("registry://r.example/app:1", ("app",)),
        ("registry://r.example/slim:1", ()),
        ("registry://other.example/app", ()),
        ("app.tar", ()),
    ],
)
def test_a_registry_mounts_what_it_has_in_the_source(source: str, mounted: tuple[str, ...]) -> None:
    destination = parse_destination("registry://r.example/slim:2", source=source)
    assert isinstance(destination, RegistryDestination)
    assert destination.mount_from == mounted
