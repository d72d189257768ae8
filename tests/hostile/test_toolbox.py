"""Archives that lie, and words that are no names: nothing is made of them, and nothing is left."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cntr_core.errors import ImageError, UsageError
from cntr_core.images import open_image, unpack
from cntr_core.toolbox.archive import Source, _verified
from cntr_core.toolbox.packages import checked_names
from tests.support.cntr import cntr
from tests.support.debian_archive import SUITE, DebianArchive, Signer, served

pytestmark = pytest.mark.requires("root", "gpg", "gpgv", "dpkg-deb")


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Signer, Signer]]:
    """The archive's, and a stranger."""
    directory = tmp_path_factory.mktemp("keys")
    both = Signer(directory / "own"), Signer(directory / "strange")
    yield both
    for signer in both:
        signer.close()


@pytest.fixture
def archive(tmp_path: Path, signers: tuple[Signer, Signer]) -> DebianArchive:
    archive = DebianArchive(tmp_path / "debian", signers[0])
    archive.add("tool", {"usr/bin/tool": "#!/bin/sh\n"})
    archive.publish()
    return archive


def _build(archive: DebianArchive, target: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    source = ["--suite", SUITE, "--keyring", str(archive.signer.keyring)]
    with served(archive.root) as mirror:
        line = ["toolbox", "build", "tool", "--mirror", mirror, *source, "-o", str(target / "toolbox.tar"), *words]
        (target / "temporary").mkdir()
        return cntr(*line, env={"TMPDIR": str(target / "temporary")})


def _check_refused(archive: DebianArchive, target: Path, told: str) -> None:
    result = _build(archive, target)
    stderr = result.stderr.decode()
    assert (result.returncode, told in stderr, "Traceback" in stderr) == (125, True, False), stderr
    assert not (target / "toolbox.tar").exists()
    assert os.listdir(target / "temporary") == []


def test_the_archive_is_one_that_is_taken(archive: DebianArchive, tmp_path: Path) -> None:
    result = _build(archive, tmp_path)
    assert result.returncode == 0, result.stderr.decode()


def test_a_strangers_signature_is_refused(
    archive: DebianArchive, signers: tuple[Signer, Signer], tmp_path: Path
) -> None:
    content = (archive.suite / "InRelease").read_bytes().partition(b"\n\n")[2].partition(b"-----BEGIN")[0]
    (archive.suite / "InRelease").write_bytes(signers[1].sign(content))
    _check_refused(archive, tmp_path, "is not signed by a key of")


def test_keys_that_never_end_are_waited_for_a_while(
    archive: DebianArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gpgv opens what it is given, a pipe without a writer, too."""
    monkeypatch.setattr("cntr_core.toolbox.archive._GPGV_PATIENCE", 1.0)
    os.mkfifo(tmp_path / "keys")
    with pytest.raises(ImageError, match="gpgv did not check the signature within 1 s"):
        _verified(str(archive.suite / "InRelease"), str(tmp_path / "keys"))


def _unsigned(content: bytes) -> bytes:
    return content.partition(b"\n\n")[2].partition(b"-----BEGIN")[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content.replace(b"Codename: stone", b"Codename: rocks"), "is not signed"),
        (_unsigned, "is not one signed message"),
        (lambda content: b"Suite: stone\n" + content, "is not one signed message"),
        (lambda content: content + content, "is not one signed message"),
        (lambda content: content + b"x" * (5 << 20), "is larger than"),
        (lambda content: content[:0], "is not one signed message"),
    ],
    ids=["changed", "unsigned", "preceded", "twice", "endless", "empty"],
)
def test_a_list_that_is_not_as_it_was_signed_is_refused(
    change: Callable[[bytes], bytes], told: str, archive: DebianArchive, tmp_path: Path
) -> None:
    file = archive.suite / "InRelease"
    file.write_bytes(change(file.read_bytes()))
    _check_refused(archive, tmp_path, told)


def test_what_follows_the_signed_text_does_not_count(archive: DebianArchive, tmp_path: Path) -> None:
    file = archive.suite / "InRelease"
    file.write_bytes(file.read_bytes() + b"Valid-Until: Sat, 11 Jul 2020 10:16:37 UTC\n")
    assert _build(archive, tmp_path).returncode == 0
    assert os.listdir(tmp_path / "temporary") == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Codename": "sand"}, "gave another suite than stone"),
        ({"Valid-Until": "Sat, 11 Jul 2020 10:16:37 UTC"}, "was valid until"),
        ({"Valid-Until": "never"}, "was valid until"),
        ({"Date": "today"}, "has no date"),
    ],
    ids=["another suite", "expired", "no date of expiry", "no date"],
)
def test_a_signed_list_that_is_not_the_wanted_one_is_refused(
    fields: dict[str, str], told: str, archive: DebianArchive, tmp_path: Path
) -> None:
    archive.publish(**fields)
    _check_refused(archive, tmp_path, told)


@pytest.mark.parametrize("place", ["pool", "dists"])
@pytest.mark.parametrize("change", [lambda c: c[:-1] + b"x", lambda c: c + b"x", lambda c: c[:-1], lambda c: c[:0]])
def test_files_that_the_list_does_not_vouch_for_are_refused(
    place: str, change: Callable[[bytes], bytes], archive: DebianArchive, tmp_path: Path
) -> None:
    (file,) = (path for path in (archive.root / place).rglob("*") if path.suffix in (".deb", ".xz"))
    file.write_bytes(change(file.read_bytes()))
    _check_refused(archive, tmp_path, "")


@pytest.mark.parametrize(
    "filename", ["../../../etc/passwd", "/etc/passwd", "pool/../../x.deb", "pool/.deb", "http://other/x.deb", "x y.deb"]
)
def test_a_package_elsewhere_is_refused(filename: str, archive: DebianArchive, tmp_path: Path) -> None:
    archive.add("tools", {"usr/bin/tools": ""})
    archive.paragraphs = [text.replace("Filename: pool/tool_1.0-1_all.deb", f"Filename: {filename}")
                           for text in archive.paragraphs]  # fmt: skip
    archive.publish()
    _check_refused(archive, tmp_path, "has no valid field filename")


def _deb(path: Path, members: list[tarfile.TarInfo], part: str = "data") -> None:
    """Replace the files of a package, or those of its `part` called control, by others, as dpkg-deb would not."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    work = path.with_suffix(".d")
    work.mkdir()
    subprocess.run(["ar", "x", str(path)], check=True, cwd=work, timeout=30)
    (work / f"{part}.tar.xz").write_bytes(packed.getvalue())
    path.unlink()
    names = ["debian-binary", "control.tar.xz", "data.tar.xz"]
    subprocess.run(["ar", "rc", str(path), *names], check=True, cwd=work, timeout=30)


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return member


def _unpacked(archive: DebianArchive, deb: Path, members: list[tarfile.TarInfo], place: Path) -> Path:
    """The root of a toolbox with a package of these `members`."""
    _deb(deb, members)
    archive.paragraphs = []
    archive.list(deb, "Package: tool\nVersion: 1.0-1\nArchitecture: all\n")
    archive.publish()
    assert _build(archive, place).returncode == 0
    with open_image(str(place / "toolbox.tar")) as image:
        unpack(image, str(place / "below/root"))
    return place / "below/root"


@pytest.mark.requires("ar")
def test_no_file_of_a_package_is_outside_of_the_tree(tmp_path: Path, archive: DebianArchive) -> None:
    names = ["../../above", "/absolute", "./usr/../../beside"]
    members = [_member(name, tarfile.REGTYPE) for name in names] + [_member("./null", tarfile.CHRTYPE)]
    (tmp_path / "below").mkdir()
    root = _unpacked(archive, archive.root / "pool/tool_1.0-1_all.deb", members, tmp_path)
    assert {"above", "absolute", "beside"} <= set(os.listdir(root))
    assert not (root / "null").exists()
    assert os.listdir(tmp_path / "below") == ["root"]


@pytest.mark.requires("ar")
@pytest.mark.parametrize(
    ("kind", "name"), [(tarfile.SYMTYPE, "./usr/link/through"), (tarfile.LNKTYPE, "")], ids=["link", "hard link"]
)
def test_no_link_of_a_package_leads_outside(kind: bytes, name: str, tmp_path: Path, archive: DebianArchive) -> None:
    members = [_member("./usr/link", kind, str(tmp_path / "victim"))]
    members += [_member(name, tarfile.REGTYPE)] if name else []
    (tmp_path / "below").mkdir()
    with pytest.raises(ImageError):
        _unpacked(archive, archive.root / "pool/tool_1.0-1_all.deb", members, tmp_path)
    assert not (tmp_path / "victim").exists()


@pytest.mark.requires("ar")
def test_a_package_that_does_not_describe_itself_is_refused(tmp_path: Path, archive: DebianArchive) -> None:
    deb = archive.root / "pool/tool_1.0-1_all.deb"
    _deb(deb, [_member("./md5sums", tarfile.REGTYPE)], "control")
    archive.paragraphs = []
    archive.list(deb, "Package: tool\nVersion: 1.0-1\nArchitecture: all\n")
    archive.publish()
    _check_refused(archive, tmp_path, "does not describe itself")


@pytest.mark.parametrize("name", ["a;b", "../x", "-o", "A", "x\ny", "$(id)", "tool=1.0", "", "a" * 200, "a/b", "é"])
def test_what_is_no_name_of_a_package_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked_names(["bash", name])


@pytest.mark.parametrize(
    "mirror",
    [
        "file:///etc", "http://user:word@host/debian", "http://host/x y", "http://host/\n[trusted=yes]", "", "host",
        "http://host/?a=b", "http://host/../../x#", "http://host\ndeb", "http://host/..", "ftp://host/", "HTTP:/x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(mirror: str) -> None:
    with pytest.raises(UsageError):
        Source(mirror, SUITE, "/dev/null", "amd64").check()


@pytest.mark.parametrize("suite", ["../sid", "sid main\ndeb", "", "-x", "sid/updates", "sid\n", "a" * 100])
def test_what_is_no_suite_is_refused(suite: str) -> None:
    with pytest.raises(UsageError):
        Source("http://host/debian", suite, "/etc/passwd", "amd64").check()


@pytest.mark.parametrize("words", [["a;b"], ["tool", "--mirror", "file:///etc"], ["tool", "--keyring", "/dev/null"]])
def test_the_command_refuses_them(words: list[str], tmp_path: Path) -> None:
    target = tmp_path / "toolbox.tar"
    result = cntr("toolbox", "build", "-o", str(target), *words)
    assert (result.returncode, b"Traceback" in result.stderr, target.exists()) == (125, False, False)


def test_who_does_not_answer_is_told_in_words_of_people(archive: DebianArchive, tmp_path: Path) -> None:
    with served(archive.root) as mirror:
        pass
    keyring = ("--keyring", str(archive.signer.keyring))
    result = cntr("toolbox", "build", "tool", "--mirror", mirror, *keyring, "-o", str(tmp_path / "toolbox.tar"))
    assert result.returncode == 125
    assert b"InRelease cannot be read: Connection refused\n" in result.stderr
