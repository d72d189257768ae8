#!/usr/bin/env python3
"""The distribution API: an image of one layer is pushed, and pulled."""

import hashlib
import json
import urllib.request

HOST = "http://127.0.0.1:5000"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def call(method: str, url: str, data: bytes | None = None, kind: str = "application/octet-stream") -> tuple[str, bytes]:
    request = urllib.request.Request(url, data, {"Content-Type": kind, "Accept": MANIFEST}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers.get("Location", ""), answer.read()


def push(blob: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    place, _ = call("POST", f"{HOST}/v2/pushed/blobs/uploads/", b"")
    call("PUT", f"{place}&digest={digest}", blob)
    assert call("GET", f"{HOST}/v2/pushed/blobs/{digest}")[1] == blob
    return {"digest": digest, "size": len(blob)}


config = push(b"{}") | {"mediaType": "application/vnd.oci.image.config.v1+json"}
layer = push(b"layer" * 1000) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).encode()
call("PUT", f"{HOST}/v2/pushed/manifests/latest", manifest, MANIFEST)
assert call("GET", f"{HOST}/v2/pushed/manifests/latest")[1] == manifest
