#!/usr/bin/env python3
"""The distribution API: a blob in two pieces, mounted from another repository, deleted; a wrong digest is refused."""

import hashlib
import urllib.error
import urllib.request

HOST = "http://127.0.0.1:5000"


def call(method: str, url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/octet-stream", **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        return error.code, ""


blob = b"0123456789" * 1000
digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
_, place = call("POST", f"{HOST}/v2/pieces/blobs/uploads/", b"")
for start in (0, 5000):
    piece = blob[start : start + 5000]
    status, place = call("PATCH", place, piece, {"Content-Range": f"{start}-{start + len(piece) - 1}"})
    assert status == 202, status
assert call("PUT", f"{place}&digest={digest}", b"")[0] == 201
assert call("POST", f"{HOST}/v2/mounted/blobs/uploads/?mount={digest}&from=pieces", b"")[0] == 201
assert call("DELETE", f"{HOST}/v2/mounted/blobs/{digest}")[0] == 202
_, place = call("POST", f"{HOST}/v2/pieces/blobs/uploads/", b"")
assert call("PUT", f"{place}&digest=sha256:{'0' * 64}", blob)[0] == 400
