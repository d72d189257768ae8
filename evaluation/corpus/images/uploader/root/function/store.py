"""A store of objects in memory: PUT, GET, HEAD, and the list of a bucket."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

OBJECTS = {}
SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def _answer(self, status, body=b"", kind="application/xml", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked" or "aws-chunked" in self.headers.get(
            "Content-Encoding", ""
        ):
            return self._chunks()
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self):
        data = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return data

    def do_PUT(self):
        body = self._body()
        OBJECTS[unquote(urlsplit(self.path).path)] = (body, self.headers.get("Content-Type", "binary/octet-stream"))
        self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if path.count("/") == 1:
            keys = sorted(key for key in OBJECTS if key.startswith(path + "/"))
            items = "".join(f"<Contents><Key>{key[len(path) + 1 :]}</Key></Contents>" for key in keys)
            text = f'<ListBucketResult xmlns="{SPACE}"><KeyCount>{len(keys)}</KeyCount>{items}</ListBucketResult>'
            self._answer(200, text.encode())
        elif path in OBJECTS:
            self._answer(200, *OBJECTS[path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>")

    do_HEAD = do_GET


def serve(port):
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
