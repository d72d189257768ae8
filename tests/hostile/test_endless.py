"""What has no end, or claims to have none, beside images: output, answers, pages, split maps, traces, reports."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zstandard

from cntr_core.runtime import LARGEST_LOG
from tests.integration.slim.conftest import MakeApp, Slim, app, slim
from tests.support.cntr import cntr, wait_until
from tests.unit.images.layouts import file, layout, tar

__all__ = ["app", "slim"]

HANG = 120
MEMORY = 1 << 30
"""Bytes of address space."""
_LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"


def _in_little_memory(script: str, *arguments: str) -> str:
    """What a Python program with little memory prints."""
    line = [sys.executable, "-c", _LIMITED + script, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


SLIM = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")


@SLIM
def test_the_end_of_a_log_without_end_is_kept(slim: Slim, app: MakeApp) -> None:
    """As fast as it can for two seconds: that was gigabytes."""
    image = app("cat /dev/zero & sleep 2; kill %1; wait; echo last words; exit 3")
    process = slim.popen("slim", image, "-o", "out.tar")
    largest = 0
    while process.poll() is None:
        largest = max(largest, _size_of_logs(slim.temporary))
    _, errors = process.communicate()
    assert LARGEST_LOG // 2 < largest <= LARGEST_LOG + (1 << 20)
    assert process.returncode == 125 and b"last words" in errors


_MUCH = "echo first words; busybox head -c 70000000 /dev/zero; truncate -s 1T /dev/stdout; echo; echo last words"


@SLIM
@pytest.mark.parametrize("terminal", [(), ("--tty",)], ids=["pipe", "terminal"])
def test_the_end_of_a_log_in_the_background_is_kept(slim: Slim, app: MakeApp, terminal: tuple[str, ...]) -> None:
    slim.environment["CNTR_STATE_DIR"] = str(slim.place / "state")
    image = app(_MUCH, file("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755))
    started = slim.cntr("run", "--detach", *terminal, "--name", "box", image)
    assert started.returncode == 0, started.stderr
    try:
        state = slim.place / "state/box"
        wait_until(lambda: json.loads((state / "state.json").read_text())["exit_code"] is not None, "the end")
        logs = [(state / name).read_bytes() for name in ("log.before", "log")]
        assert sum(map(len, logs)) <= LARGEST_LOG + (1 << 20)
        assert logs[1].rstrip().endswith(b"last words") and b"first words" not in logs[0]
        for log in logs:
            assert b" bytes of output came before this: in log.before, or gone" in log.partition(b"\n")[0]
    finally:
        slim.cntr("stop", "--timeout", "0", "box")


def _size_of_logs(place: Path) -> int:
    try:
        return sum(path.stat().st_size for path in place.glob("cntr-run-*/log*"))
    except FileNotFoundError:  # they go meanwhile
        return 0


@SLIM
def test_a_probe_s_command_that_prints_without_end(slim: Slim, app: MakeApp) -> None:
    image = app("sleep 60")
    result = slim(image, "--probe", "exec:cat /dev/zero", "--timeout", "3", "--stop-timeout", "0.1")
    assert result.code == 125 and "exec:cat /dev/zero" in result.stderr


_FETCH = """
import sys
from cntr_slimmer.probes.attempt import NoAnswer
from cntr_slimmer.probes.network import Endpoint
from cntr_slimmer.probes.web import Request, Web
try:
    page = Web().fetch(Endpoint("127.0.0.1", int(sys.argv[1])), Request(sys.argv[2]), 30)
    print(page.complete, len(page.content) <= 2 << 20, page.length <= 70 << 20)
except NoAnswer as error:
    print(error)
"""


@pytest.fixture
def server() -> Iterator[int]:
    """Answers with compressed zeros: 2 GB at /once, 100 GB at /twice."""
    once = gzip.compress(bytes(1 << 20), 9) * 2048
    bodies = {"/once": once, "/twice": gzip.compress(once, 9), "/plain": gzip.compress(b"hello")}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip, gzip" if self.path == "/twice" else "gzip")
            self.send_header("Content-Length", str(len(bodies[self.path])))
            self.end_headers()
            self.wfile.write(bodies[self.path])

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client leaves early."""

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.mark.parametrize("path", ["/once", "/twice", "/plain"])
def test_a_page_that_is_a_bomb(server: int, path: str) -> None:
    said = _in_little_memory(_FETCH, str(server), path)
    assert said.split()[1:] == ["True", "True"], said


@contextmanager
def _saying(beginning: bytes, then: bytes, pause: float) -> Iterator[int]:
    """The port of a server whose answer has `then` again and again behind its beginning."""

    def answer(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as client, suppress(OSError):
                    client.sendall(beginning)
                    while True:
                        client.sendall(then)
                        time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("beginning", "then", "pause"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.01),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.1),
    ],
    ids=["continue", "hints", "slow"],
)
def test_headers_without_end_are_waited_for_a_while(beginning: bytes, then: bytes, pause: float) -> None:
    """In pieces that each come in time."""
    with _saying(beginning, then, pause) as port:
        said = _in_little_memory(_FETCH.replace(", 30)", ", 1)"), str(port), "/")
    assert said == "/ did not answer within 1 s\n"


@pytest.mark.parametrize("word", ["/*", "url(", "@import '", "url( '", "@import"])
def test_a_style_sheet_that_closes_nothing(word: str) -> None:
    script = (
        "import sys; from cntr_slimmer.probes.links import of_css; print(len(of_css(sys.argv[1] * 400_000)) < 400_001)"
    )
    assert _in_little_memory(script, word) == "True\n"


def _tails(tail: object, count: int) -> bytes:
    layers = [{"diffId": "x", "runs": [], "tail": tail}] * count
    return json.dumps({"format": "cntr-recipe/1", "config": "", "layers": layers}).encode()


def _layers(layers: bytes) -> bytes:
    return b'{"format":"cntr-recipe/1","config":"","layers":[' + layers + b"]}"


SPLIT_MAPS: dict[str, Callable[[], bytes]] = {
    "compressed tails": lambda: _tails(base64.b64encode(zlib.compress(b"\1" * (1 << 26), 9)).decode(), 100),
    "zeros": lambda: _tails(1 << 26, 1000),
    "fewer than no zeros": lambda: _tails(-5, 1),
    "runs": lambda: _layers(b'{"diffId":"x","tail":0,"runs":[' + b'["s",1],' * 28_000_000 + b'["s",1]]}'),
    "lists": lambda: _layers(b"[]," * 80_000_000 + b"[]"),
    "numbers": lambda: _layers(b"1," * 100_000_000 + b"1"),
    "deep": lambda: b"[" * 1_000_000,
    "no object": lambda: b"[1]",
    "a size without end": lambda: _layers(b'{"diffId":"x","tail":0,"runs":[["s",1' + b"0" * 5000 + b"]]}"),
}
_UNPACK = """
import sys
from cntr_slimmer.split.split_map import SplitMap
from cntr_core.errors import ImageError
try:
    SplitMap.unpack(open(sys.argv[1], "rb").read())
except ImageError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("name", SPLIT_MAPS)
def test_a_split_map_that_is_a_bomb(tmp_path: Path, name: str) -> None:
    (tmp_path / "map").write_bytes(zstandard.compress(SPLIT_MAPS[name](), 3))
    said = _in_little_memory(_UNPACK, str(tmp_path / "map"))
    assert said.startswith("refused: ") and len(said) < 1000, said


@pytest.mark.parametrize("content", [b"[" * 1_000_000, None], ids=["deep", "endless"])
@pytest.mark.parametrize("words", [("trace", "show"), ("why",)])
def test_a_trace_or_report_that_is_a_bomb(tmp_path: Path, words: tuple[str, ...], content: bytes | None) -> None:
    path = tmp_path / "report.json"
    os.symlink("/dev/zero", path) if content is None else path.write_bytes(content)
    done = cntr(*words, str(path), *(["/x"] if words == ("why",) else []), timeout=HANG)
    assert done.returncode == 125 and b"Traceback" not in done.stderr and str(path).encode() in done.stderr


@SLIM
def test_an_image_with_too_many_variables(tmp_path: Path, slim: Slim) -> None:
    config = {"Env": [f"V{number}=x" for number in range(300_000)], "Cmd": ["/x"]}
    image = layout(tmp_path / "image", tar(file("x", b"#!/x\n", mode=0o755)), config=config)
    for line in (("run", image, "--rm"), ("slim", image, "-o", "out.tar")):
        done = slim.cntr(*line, timeout=HANG)
        assert done.returncode == 125 and "300000 entries" in done.stderr, done.stderr[:4000]


_SPAWN = {
    "many": """
import os, resource
resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
os.execve("/bin/sleep", ["sleep", "600"], {f"V{number}": "x" for number in range(300_000)})
""",
    "endless": """
import ctypes, mmap, struct, time
SIZE, SET_MM, MAP = 1 << 40, 35, 14
libc = ctypes.CDLL(None, use_errno=True)
for function in (libc.mmap, libc.sbrk):
    function.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
start = libc.mmap(None, SIZE, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)  # MAP_NORESERVE
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
field = lambda number: int(stat[number - 3])  # as proc_pid_stat(5) counts
code, data, brk = (field(26), field(27)), (field(45), field(46)), (field(47), libc.sbrk(0))
place = (*code, *data, *brk, field(28), field(48), field(49), start, start + SIZE - 1)
asked = struct.pack("=12QII", *place, 0, 0, 2**32 - 1)  # struct prctl_mm_map
assert libc.prctl(SET_MM, MAP, asked, len(asked), 0) == 0, ctypes.get_errno()
print("ready", flush=True)
time.sleep(600)
""",
}


@pytest.mark.requires("root", "fuse")
@pytest.mark.parametrize("kind", _SPAWN)
@pytest.mark.parametrize("words", [("exec",), ("attach",), ("attach", "--container-env")])
def test_a_process_with_variables_without_end(kind: str, words: tuple[str, ...]) -> None:
    """What /proc shows as the environment is what the process names as it: a terabyte of zeros (PR_SET_MM_MAP, which
    wants no privilege)."""
    with subprocess.Popen([sys.executable, "-c", _SPAWN[kind]], stdout=subprocess.PIPE) as process:
        try:
            if kind == "endless":
                assert process.stdout and process.stdout.readline() == b"ready\n"
            else:
                wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") != os.path.realpath(sys.executable), "exec")
            call = [sys.executable, "-c", _LIMITED + "from cntr_core.cli import main; main()"]
            line = [*call, *words, f"pid://{process.pid}", "--", "/bin/true"]
            done = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL, timeout=HANG)
            assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        finally:
            process.kill()
