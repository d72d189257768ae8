#!/usr/bin/env python3
"""How long the shell waits for the names of 500 containers, by the Tab key after ``cntr attach``.

    python3 evaluation/experiments/completion.py [--runs 20] [--containers 500] [--output FILE]

Needs root. Docker is played by a server that lists as many containers, in docker's words (API 1.41); all other engines
are asked as they are on this machine. Times are whole processes, in seconds; the result has every single one.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from slim_runs import write


def container(number: int) -> dict[str, Any]:
    """One container as ``GET /containers/json`` lists it."""
    return {
        "Id": f"{number:064x}",
        "Names": [f"/service-{number}"],
        "Image": "registry.example/team/service:1.2.3",
        "ImageID": "sha256:" + "0" * 64,
        "Command": "/usr/bin/service --config /etc/service.conf",
        "Created": 1_700_000_000 + number,
        "Ports": [{"PrivatePort": 8080, "Type": "tcp"}],
        "Labels": {f"com.example.label-{n}": f"value {n}" for n in range(8)},
        "State": "running",
        "Status": "Up 2 hours",
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
        "Mounts": [],
    }


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def serve(path: str, count: int) -> _Server:
    """Docker's API at the socket `path`, as far as listing goes."""
    listing = json.dumps([container(number) for number in range(count)]).encode()
    version = json.dumps({"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = listing if "/containers/json" in self.path else version
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"

        def log_message(self, format: str, *_arguments: object) -> None:
            pass

    server = _Server(path, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def complete(path: str, word: str) -> tuple[float, int]:
    """Seconds that one completion of `word` takes, and how many names it gives."""
    cntr = os.path.join(os.path.dirname(sys.executable), "cntr")
    words = {"_CNTR_COMPLETE": "complete_bash", "COMP_WORDS": f"cntr attach {word}", "COMP_CWORD": "2"}
    environment = {**os.environ, **words, "DOCKER_HOST": f"unix://{path}"}
    started = time.perf_counter()
    done = subprocess.run([cntr], env=environment, capture_output=True, check=False, timeout=60)
    return time.perf_counter() - started, len(done.stdout.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "docker.sock")
        server = serve(path, arguments.containers)
        complete(path, "service-")  # does not count
        measured = [complete(path, "service-") for _ in range(arguments.runs)]
        server.shutdown()
    seconds = [taken for taken, _ in measured]
    assert {names for _, names in measured} == {arguments.containers}, measured
    median = statistics.median(seconds)
    about = {"runs": arguments.runs, "containers": arguments.containers, "aim_seconds": 0.3}
    write("completion", arguments.output, {**about, "median_seconds": round(median, 3), "seconds": seconds})
    print(f"{arguments.containers} names: median {median:.3f} s, at most {max(seconds):.3f} s")


if __name__ == "__main__":
    main()
