"""A browser that stays: keys, clicks and sizes, by Chromium's own protocol over two pipes (``--remote-debugging-pipe``,
messages end with a zero byte)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.report.browser import COMMAND

_HANG = 60  # seconds
_OUT, _IN = 3, 4  # the descriptors that Chromium reads and writes


class Page:
    """One page that is open."""

    def __init__(self, to: int, back: Any) -> None:
        self._to, self._back = to, back
        self._number, self._session = 0, ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def _call(self, method: str, /, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> Any:
        text = bytearray()
        while (byte := self._back.read(1)) != b"\0":
            assert byte, "the browser is gone"
            text += byte
        return json.loads(text)

    def open(self, file: Path, *, width: int = 1280, dark: bool = False, scripts: bool = True) -> None:
        """Open `file` in a window so wide, and wait until it is loaded."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._call("Page.navigate", url=file.as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives on the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """Text, into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, by its name and its code of Windows, as Chromium wants it."""
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self._call("Input.dispatchKeyEvent", **event, **({"text": text} if text and kind == "keyDown" else {}))


@contextmanager
def opened_browser() -> Iterator[Page]:
    """A browser with one page; it ends with the block."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="cntr-chromium-", ignore_cleanup_errors=True) as profile:
        line = [*COMMAND, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        shell = f'exec "$@" {_OUT}<&{to_read} {_IN}>&{from_write}'
        process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *line], pass_fds=(to_read, from_write), stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_write)
        try:
            with os.fdopen(from_read, "rb") as back:
                yield Page(to_write, back)
        finally:
            os.close(to_write)  # it ends when nobody can speak to it
            process.terminate()
            process.wait(_HANG)
