"""Sending images to a registry: blobs first, then manifests, and the tag last."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import httpx

from ..streams import Checked
from ..values import EMPTY, INDEXES, MANIFEST, MANIFESTS, Descriptor
from ..write import index
from ..write.documents import artifact, describe, dump
from ..write.new_image import Attachment, Blob, Named, PackedImage, Progress, silent
from .client import DELAYS, Answer, NotFound, RegistryError, Repository, pause
from .pull import fetch_manifest
from .reference import RegistryReference
from .referrers import TITLE, add_referrer

_CHUNK = 16 << 20
_NEW = "blobs/uploads/"
_BINARY = "application/octet-stream"


def push(
    reference: RegistryReference,
    images: Sequence[Named],
    progress: Progress = silent,
    mount_from: Sequence[str] = (),
) -> None:
    """Send `images` to the repository of `reference`. An image's name is its tag; without one, `reference` has it.

    What the registry has already is not sent; what the repositories `mount_from` of the same registry have is
    mounted from there. Where a tag is an image for other platforms, it becomes an index of all.

    :raises ImageError: the registry cannot be reached, or refuses.
    """
    with Repository(reference, "pull,push", mount_from) as repository:
        for name, image in images:
            for blob in (*image.layers, image.config):
                _upload(repository, blob, progress, mount_from)
            _put_image(repository, replace(reference, tag=name, digest="") if name else reference, image)


def attach(reference: RegistryReference, subject: Descriptor, documents: Sequence[Attachment]) -> None:
    """Send `documents` to the repository of `reference`, as referrers of its manifest `subject`.

    :raises ImageError: the registry cannot be reached, or refuses.
    """
    config = Blob.of_bytes(b"{}", EMPTY)
    with Repository(reference, "pull,push") as repository:
        _upload(repository, config, silent, ())
        for document in documents:
            content = Blob.of_bytes(document.content, document.media_type, annotations={TITLE: document.name})
            _upload(repository, content, silent, ())
            made = artifact(document.media_type, config.descriptor, content.descriptor, subject)
            manifest = Blob.of_bytes(dump(made), MANIFEST)
            _put_referrer(repository, PackedImage(manifest, config, (content,), subject))


def check_push(reference: RegistryReference) -> None:
    """Begin to send something, and leave it at that; :raises ImageError: the registry cannot be reached, or refuses."""
    with Repository(reference, "pull,push") as repository:
        begun = repository.request("POST", _NEW).location
        with suppress(RegistryError):  # not every registry forgets on demand; they do after a while
            repository.request("DELETE", begun)


def _put_image(repository: Repository, reference: RegistryReference, image: PackedImage) -> None:
    documents = [image.manifest]
    if not reference.digest:
        documents += _index(repository, reference.target, image)
    *below, top = documents
    answers = [_put(repository, blob, blob.descriptor.digest) for blob in below]
    answers.append(_put(repository, top, reference.target))
    _refer(repository, image, answers[0])


def _put_referrer(repository: Repository, image: PackedImage) -> None:
    _refer(repository, image, _put(repository, image.manifest, image.descriptor.digest))


def _refer(repository: Repository, image: PackedImage, answer: Answer) -> None:
    """Note the image's subject where the registry's `answer` to its manifest does not say that it has."""
    if image.subject and "OCI-Subject" not in answer.headers:
        add_referrer(repository, image)


def _index(repository: Repository, tag: str, image: PackedImage) -> list[Blob]:
    try:
        present = fetch_manifest(repository, tag)
    except NotFound:
        return []
    entry = describe(present.descriptor)
    return index.with_others([entry], image.descriptor, lambda one: _fetch(repository, one))[1]


def _fetch(repository: Repository, wanted: Descriptor) -> bytes:
    if wanted.media_type in (*MANIFESTS, *INDEXES):
        return fetch_manifest(repository, wanted.digest).read()
    content = repository.request("GET", f"blobs/{wanted.digest}").content
    Checked(io.BytesIO(content), f"configuration {wanted.digest}", wanted.digest).finish()
    return content


def _put(repository: Repository, document: Blob, target: str) -> Answer:
    headers = {"Content-Type": document.descriptor.media_type}
    return repository.request("PUT", f"manifests/{target}", content=document.read(), headers=headers)


def _upload(repository: Repository, blob: Blob, progress: Progress, mount_from: Sequence[str]) -> None:
    location = "" if _is_there(repository, blob) else _begin(repository, blob, mount_from)
    if not location:
        progress("uploading", blob.descriptor.size)
        return
    try:
        _send_whole(repository, blob, location, progress)
    except RegistryError as error:
        if not error.passing and error.status != httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise
        _send_in_chunks(repository, blob, progress)


def _is_there(repository: Repository, blob: Blob) -> bool:
    try:
        repository.request("HEAD", f"blobs/{blob.descriptor.digest}")
    except NotFound:
        return False
    return True


def _begin(repository: Repository, blob: Blob, mount_from: Sequence[str]) -> str:
    """Where to send the blob to; "" when another repository has it, and it is mounted from there."""
    for other in mount_from:
        parameters = {"mount": blob.descriptor.digest, "from": other}
        answer = repository.request("POST", _NEW, params=parameters)
        if answer.status == httpx.codes.CREATED:
            return ""
        return answer.location
    return repository.request("POST", _NEW).location


def _send_whole(repository: Repository, blob: Blob, location: str, progress: Progress) -> None:
    """In one request, as most registries like it best."""
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for piece in blob.pieces("uploading", progress):
            yield piece
            sent += len(piece)

    headers = {"Content-Type": _BINARY, "Content-Length": str(blob.descriptor.size)}
    try:
        repository.once("PUT", _finished(location, blob), content=pieces(), headers=headers)
    except RegistryError:
        progress("uploading", -sent)
        raise


def _send_in_chunks(repository: Repository, blob: Blob, progress: Progress) -> None:
    """In pieces, of which only the last is lost when the connection breaks, and of which none is too large."""
    answer = repository.request("POST", _NEW)
    location, offset, delays = answer.location, 0, iter(DELAYS)
    length = max(_CHUNK, int(answer.headers.get("OCI-Chunk-Min-Length", 0)))
    with blob.open() as file:
        while offset < blob.descriptor.size:
            file.seek(offset)
            piece = file.read(length)
            try:
                location = _send_chunk(repository, location, piece, offset)
                done = offset + len(piece)
            except RegistryError as error:
                pause(error, delays, again=error.status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
                location, done = _arrived(repository, location)
            progress("uploading", done - offset)
            offset = done
    repository.request("PUT", _finished(location, blob))


def _send_chunk(repository: Repository, location: str, piece: bytes, offset: int) -> str:
    headers = {"Content-Type": _BINARY, "Content-Range": f"{offset}-{offset + len(piece) - 1}"}
    return repository.once("PATCH", location, content=piece, headers=headers).location


def _arrived(repository: Repository, location: str) -> tuple[str, int]:
    """Where an upload goes on, and how many bytes of it the registry has; it says ``0-0`` for none."""
    try:
        answer = repository.request("GET", location)
    except RegistryError as error:
        if error.status not in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):
            raise
        return repository.request("POST", _NEW).location, 0  # docker's own forgets an upload that broke
    last = int(answer.headers.get("Range", "0-0").rpartition("-")[2])
    return answer.location or location, last + 1 if last else 0


def _finished(location: str, blob: Blob) -> str:
    return str(httpx.URL(location).copy_merge_params({"digest": blob.descriptor.digest}))
