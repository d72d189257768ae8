"""Images to and from docker's registry, with and without passwords, and with everything that may go wrong."""

from __future__ import annotations

import base64
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from cntr_core.errors import CntrError, ImageError
from cntr_core.images import Platform, open_image
from cntr_core.images.registry import push as pushing
from cntr_core.images.registry.client import Repository
from cntr_core.images.registry.reference import RegistryReference
from cntr_core.images.registry.referrers import referrers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.new_image import PackedImage
from cntr_core.images.write.pack import pack
from tests.integration.images.conftest import (
    PASSWORD,
    USER,
    Fault,
    Proxy,
    Registry,
    Storage,
    TokenService,
    always,
    forwarding,
    free_port,
    log_in,
    make_certificate,
    once,
    serving,
)
from tests.unit.images.layouts import INDEX, digest, file, tar
from tests.unit.images.write.making import layers, new_image, packed, text_of

pytestmark = pytest.mark.requires("docker-registry")

_AMD, _ARM = Platform("linux", "amd64"), Platform("linux", "arm64")


def save(name: str, image: PackedImage, source: str = "") -> None:
    parse_destination(name, source=source).save([("", image)])


def which(name: str, platform: Platform | None = None) -> str:
    [layer] = layers(open_image(name, platform=platform))
    return text_of(layer)


def random_image(tmp_path: Path, size: int) -> PackedImage:
    """An image of one incompressible layer of about `size` bytes."""
    layer = tar(file("which", b"random"), file("noise", os.urandom(size)))
    return pack(new_image(tmp_path, layer), str(tmp_path), Compression.NONE)


def is_blob(method: str, path: str) -> bool:
    return method == "GET" and "/blobs/sha256:" in path


# -- where all is well -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", list(Compression))
def test_what_is_pushed_is_pulled(tmp_path: Path, registry: Registry, compression: Compression) -> None:
    plain = [tar(file("which", b"first")), tar(file("more", os.urandom(300_000)))]
    new = new_image(tmp_path, *plain, Cmd=["x"])
    image = pack(new, str(tmp_path), compression)
    save(registry.name("some/app:1.0"), image)
    for name in ("some/app:1.0", f"some/app@{image.descriptor.digest}"):
        opened = open_image(registry.name(name))
        assert opened.digest == image.descriptor.digest
        assert opened.config.raw == new.config
        assert layers(opened) == plain
    assert registry.blob(image.descriptor.digest).read_bytes() == image.manifest.read()


def test_names_are_tags(tmp_path: Path, registry: Registry) -> None:
    slim = packed(tmp_path, "slim")
    fat = packed(tmp_path, "fat", subject=slim.descriptor)
    parse_destination(registry.name("app")).save([("", slim), ("fat", fat)])
    assert which(registry.name("app")) == which(registry.name("app:latest")) == "slim"
    assert which(registry.name("app:fat")) == "fat"


def test_a_push_by_digest_leaves_tags_alone(tmp_path: Path, registry: Registry) -> None:
    image = packed(tmp_path, "one")
    save(registry.name(f"app@{image.descriptor.digest}"), image)
    assert which(registry.name(f"app@{image.descriptor.digest}")) == "one"
    with pytest.raises(ImageError, match="no app of that tag"):
        open_image(registry.name("app"))


def test_what_is_there_is_not_sent_again(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    image = packed(tmp_path, "one")
    save(registry.name("app:1"), image)
    save(proxy.name("app:2"), image)
    assert which(registry.name("app:2")) == "one"
    assert not [path for method, path in proxy.seen if method in ("POST", "PATCH")]


def test_what_another_repository_has_is_mounted(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    image = packed(tmp_path, "one")
    save(registry.name("app:1"), image)
    save(proxy.name("slim:1"), image, source=proxy.name("app:1"))
    assert which(registry.name("slim:1")) == "one"
    assert [path for method, path in proxy.seen if method == "POST" and "from=app" in path]
    assert not [path for method, path in proxy.seen if method in ("PUT", "PATCH") and "/uploads/" in path]


def test_what_another_repository_lacks_is_sent(tmp_path: Path, registry: Registry) -> None:
    save(registry.name("slim:1"), packed(tmp_path, "one"), source=registry.name("app:1"))
    assert which(registry.name("slim:1")) == "one"


def test_other_platforms_of_a_tag_stay(tmp_path: Path, registry: Registry) -> None:
    for text, arch in (("arm-1", "arm64"), ("amd-1", "amd64"), ("amd-2", "amd64")):
        save(registry.name("app:1"), packed(tmp_path, text, architecture=arch))
    assert which(registry.name("app:1"), _ARM) == "arm-1"
    assert which(registry.name("app:1"), _AMD) == "amd-2"
    with pytest.raises(ImageError, match="it is for linux/amd64, linux/arm64, not for linux/riscv64"):
        open_image(registry.name("app:1"), platform=Platform("linux", "riscv64"))
    with Repository(RegistryReference.parse(registry.name("app:1"))) as repository:
        answer = repository.request("GET", "manifests/1", headers={"Accept": INDEX})
    assert len(json.loads(answer.content)["manifests"]) == 2


def test_a_subject_finds_its_referrers(tmp_path: Path, registry: Registry) -> None:
    slim = packed(tmp_path, "slim")
    fats = [packed(tmp_path, text, subject=slim.descriptor, annotations={"which": text}) for text in ("fat", "fatter")]
    save(registry.name("app:slim"), slim)
    for fat in (*fats, fats[0]):
        save(registry.name("app:fat"), fat)
    with Repository(RegistryReference.parse(registry.name("app"))) as repository:
        found = referrers(repository, slim.descriptor.digest)
        assert not referrers(repository, fats[0].descriptor.digest)
    assert {one.digest: one.annotations["which"] for one in found} == {
        fat.descriptor.digest: text for fat, text in zip(fats, ("fat", "fatter"), strict=True)
    }
    assert len(found) == 2


# -- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.requires("htpasswd")
def test_a_password(tmp_path: Path, guarded_registry: Registry, docker_config: Path) -> None:
    name = guarded_registry.name("app:1")
    for password, said in ((None, "requires a user name and password"), ("wrong", "does not accept the user name")):
        if password:
            log_in(docker_config, guarded_registry.host, password)
        for action in (
            lambda: open_image(name),
            lambda: save(name, packed(tmp_path, "one")),
            parse_destination(name).check,
        ):
            with pytest.raises(ImageError, match=said) as caught:
                action()
            assert caught.value.hint == f"docker login {guarded_registry.host}"
    log_in(docker_config, guarded_registry.host)
    parse_destination(name).check()
    save(name, packed(tmp_path, "one"))
    assert which(name) == "one"


@pytest.mark.requires("openssl")
def test_a_token(tmp_path: Path, token_registry: tuple[Registry, TokenService], docker_config: Path) -> None:
    registry, service = token_registry
    name = registry.name("some/app:1")
    with pytest.raises(ImageError, match="requires a user name and password"):
        open_image(name)
    log_in(docker_config, registry.host, "wrong")
    with pytest.raises(ImageError, match="does not accept the user name or password") as caught:
        open_image(name)
    assert caught.value.hint == f"docker login {registry.host}"
    log_in(docker_config, registry.host)
    service.scopes.clear()
    save(name, packed(tmp_path, "one"), source=registry.name("other:1"))
    assert service.scopes == ["repository:some/app:pull,push", "repository:other:pull"]  # asked for once
    assert which(name) == "one"


@pytest.mark.requires("openssl")
def test_an_identity_token(tmp_path: Path, token_registry: tuple[Registry, Any], docker_config: Path) -> None:
    registry, _ = token_registry
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for token in ("expired", "identity"):
        entry = {"auth": auth, "identitytoken": token}
        (docker_config / "config.json").write_text(json.dumps({"auths": {registry.host: entry}}))
        if token == "expired":
            with pytest.raises(ImageError, match="does not accept"):
                open_image(registry.name("app:1"))
    save(registry.name("app:1"), packed(tmp_path, "one"))
    assert which(registry.name("app:1")) == "one"


@pytest.mark.requires("htpasswd")
def test_a_password_goes_nowhere_else(
    tmp_path: Path, guarded_registry: Registry, storage: Storage, docker_config: Path
) -> None:
    """Registries send their clients to storages of others for blobs, and to others for uploads."""
    image = packed(tmp_path, "one")
    log_in(docker_config, guarded_registry.host)
    save(guarded_registry.name("app:1"), image)
    with forwarding(guarded_registry) as proxy:
        log_in(docker_config, proxy.host)
        storage.content = image.layers[0].read()
        wanted = image.layers[0].descriptor.digest
        proxy.choose = always(lambda _, path: wanted in path, Fault(status=307, location=f"http://{storage.host}/it"))
        assert which(proxy.name("app:1")) == "one"
    assert [path for path, _ in storage.seen] == ["/it"]
    assert not any("Authorization" in headers for _, headers in storage.seen)


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.requires("openssl")
def test_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not this machine's own is spoken to by TLS, and nothing else."""
    ask = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: ask(str(host).replace("r.test", "127.0.0.1"), *rest, **more)
    )
    certificate, key = make_certificate(tmp_path, "r.test")
    tls = {"tls": {"certificate": str(certificate), "key": str(key)}}
    with serving(tmp_path, http=tls) as registry:
        name = f"registry://{registry.host.replace('127.0.0.1', 'r.test')}/app:1"
        with pytest.raises(
            ImageError, match=r"the certificate of r\.test:\d+ cannot be trusted: self-signed"
        ) as caught:
            open_image(name)
        assert "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        save(name, packed(tmp_path / "work", "one"))
        assert which(name) == "one"
    (tmp_path / "plain").mkdir()
    with serving(tmp_path / "plain") as registry, pytest.raises(ImageError, match="the TLS handshake with"):
        open_image(f"registry://{registry.host.replace('127.0.0.1', 'r.test')}/app:1")


# -- what is not there -----------------------------------------------------------------------------------------------


def test_an_absent_tag_and_an_absent_repository(tmp_path: Path, registry: Registry) -> None:
    save(registry.name("app:1"), packed(tmp_path, "one"))
    for name in ("app:2", "nothing:1", f"app@{digest(b'')}"):
        with pytest.raises(ImageError, match=f"image {registry.name(name)}: {registry.host} has no") as caught:
            open_image(registry.name(name))
        assert "docker login" in caught.value.hint


def test_nobody_listens(tmp_path: Path) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(ImageError, match=f"connection refused by {host}") as caught:
        open_image(f"registry://{host}/app:1")
    assert "start the registry" in caught.value.hint
    with pytest.raises(ImageError, match=f"connection refused by {host}"):
        save(f"registry://{host}/app:1", packed(tmp_path, "one"))


def test_no_such_machine() -> None:
    with pytest.raises(ImageError, match=r"cannot resolve the host nobody\.invalid"):
        open_image("registry://nobody.invalid/app:1")


def test_a_name_that_cannot_be() -> None:
    with pytest.raises(CntrError, match="is not an image in a registry"):
        open_image("registry://127.0.0.1:1/App")


# -- what breaks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(download=0), Fault(download=100_000)])
def test_a_download_that_breaks_goes_on(tmp_path: Path, registry: Registry, proxy: Proxy, fault: Fault) -> None:
    save(registry.name("app:1"), random_image(tmp_path, 900_000))
    proxy.choose = once(is_blob, fault)
    assert which(proxy.name("app:1")) == "random"
    proxy.choose = once(lambda method, path: is_blob(method, path) and len(proxy.seen) > 1, fault)
    proxy.seen.clear()
    assert which(proxy.name("app:1")) == "random"


def test_a_download_that_goes_on_without_ranges(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    """A registry that sends all again is understood, too."""
    image = random_image(tmp_path, 900_000)
    save(registry.name("app:1"), image)
    whole = image.layers[0].read()
    broken = once(is_blob, Fault(download=300_000))

    def choose(method: str, path: str, headers: Any) -> Fault | None:
        if "Range" not in headers:
            return broken(method, path, headers)
        del headers["Range"]
        return Fault(change=lambda content: content if content == whole else b"")

    proxy.choose = choose
    assert which(proxy.name("app:1")) == "random"


def test_a_download_that_always_breaks(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    save(registry.name("app:1"), random_image(tmp_path, 900_000))
    proxy.choose = always(is_blob, Fault(download=10))
    with pytest.raises(ImageError, match=f"the connection to {proxy.host} broke") as caught:
        which(proxy.name("app:1"))
    assert caught.value.hint


def test_a_truncated_blob(tmp_path: Path, registry: Registry) -> None:
    image = random_image(tmp_path, 900_000)
    save(registry.name("app:1"), image)
    with open(registry.blob(image.layers[0].descriptor.digest), "r+b") as blob:
        blob.truncate(1000)
    with pytest.raises(ImageError, match=f"has 1000 bytes where {image.layers[0].descriptor.size} belong"):
        which(registry.name("app:1"))


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_a_blob_of_another_digest(tmp_path: Path, registry: Registry, proxy: Proxy, part: str) -> None:
    image = random_image(tmp_path, 900_000)
    save(registry.name("app:1"), image)
    blob = {"layer": image.layers[0], "config": image.config, "manifest": image.manifest}[part]
    wanted = blob.descriptor.digest
    spoil = Fault(change=lambda content: content[:-1] + (b" " if part == "manifest" else b"X"))
    proxy.choose = always(lambda method, path: method == "GET" and wanted in path, spoil)
    with pytest.raises(ImageError, match=f"does not have the digest {wanted}"):
        which(proxy.name(f"app@{image.descriptor.digest}"))


def test_a_blob_that_is_larger_than_it_should_be(tmp_path: Path, registry: Registry) -> None:
    image = random_image(tmp_path, 900_000)
    save(registry.name("app:1"), image)
    with open(registry.blob(image.layers[0].descriptor.digest), "ab") as blob:
        blob.write(b"more")
    with pytest.raises(ImageError, match="is larger than"):
        which(registry.name("app:1"))


def test_a_registry_that_answers_with_nothing(proxy: Proxy) -> None:
    proxy.choose = always(lambda *_: True, Fault(status=200))
    with pytest.raises(ImageError, match="manifest latest is not valid JSON"):
        open_image(proxy.name("app"))


_UPLOADS = [
    Fault(status=503),
    Fault(status=413),
    Fault(upload=0),
    Fault(upload=2_000_000),
]


@pytest.mark.parametrize("fault", _UPLOADS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_an_upload_that_breaks_goes_on(
    tmp_path: Path, registry: Registry, proxy: Proxy, fault: Fault, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (fault.status == 413 and method != "PUT") or (fault.upload and method == "POST"):
        pytest.skip("no registry says so")
    monkeypatch.setattr(pushing, "_CHUNK", 3 << 20)
    image = random_image(tmp_path, 10 << 20)
    whole = once(lambda m, path: m == "PUT" and "/uploads/" in path and method == "PATCH", Fault(status=503))
    broken = once(lambda m, path: m == method and "/uploads/" in path, fault)
    proxy.choose = lambda *request: whole(*request) or broken(*request)
    told: list[int] = []
    destination = parse_destination(proxy.name("app:1"))
    destination.save([("", image)], lambda _, size: told.append(size))
    assert which(registry.name("app:1")) == "random"
    assert sum(told) == sum(blob.descriptor.size for blob in (*image.layers, image.config))


def test_an_upload_that_always_breaks(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    proxy.choose = always(lambda method, _: method in ("PUT", "PATCH"), Fault(upload=10))
    with pytest.raises(ImageError, match=f"the connection to {proxy.host} broke"):
        save(proxy.name("app:1"), random_image(tmp_path, 1 << 20))
    with pytest.raises(ImageError, match="has no app"):
        open_image(registry.name("app:1"))


def test_a_refusal_is_told_in_the_registrys_words(tmp_path: Path, registry: Registry) -> None:
    image = packed(tmp_path, "one")
    without = PackedImage(image.manifest, image.config, ())
    with pytest.raises(ImageError, match=f"{registry.host} answers 400 .*blob unknown to registry"):
        save(registry.name("app:1"), without)


def test_a_busy_registry_is_given_time(tmp_path: Path, registry: Registry, proxy: Proxy) -> None:
    proxy.choose = once(lambda _, path: "/manifests/" in path, Fault(status=429))
    save(proxy.name("app:1"), packed(tmp_path, "one"))
    assert which(registry.name("app:1")) == "one"
    proxy.choose = always(lambda *_: True, Fault(status=503))
    with pytest.raises(ImageError, match="answers 503 Service Unavailable") as caught:
        open_image(proxy.name("app:1"))
    assert "later" in caught.value.hint
