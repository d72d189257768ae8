"""What a signal asks for is never lost, whenever it comes."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from cntr_core.cli import app, end_by_signals, program

number = int(sys.argv[1])

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), number)
        for _ in range(1000): pass  # the handler runs here, where Python drops its exception

def forked():
    os.kill(os.getpid(), number)
    for _ in range(1000): pass

def build(_):
    def command(**_):
        end_by_signals()
        if sys.argv[2] == "fork":
            os.register_at_fork(after_in_parent=forked)
            if os.fork() == 0:
                os._exit(0)
        else:
            Finalised()
        time.sleep(20)
    return command

app.build = build
program.main()
"""


@pytest.mark.parametrize("when", ["finalisation", "fork"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_an_odd_moment_still_ends_the_program(number: int, when: str) -> None:
    line = [sys.executable, "-c", SCRIPT, str(int(number)), when]
    result = subprocess.run(line, capture_output=True, timeout=15, start_new_session=True)
    assert result.returncode == 128 + number
    assert b"Traceback" not in result.stderr
    assert b"ignored" not in result.stderr
