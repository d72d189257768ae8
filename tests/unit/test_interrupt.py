"""Ctrl-C is never lost, whenever it comes."""

import signal
import subprocess
import sys

SCRIPT = """
import os, signal, sys, time
from cntr_core.cli import app

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass  # the handler runs here, where Python drops its exception

def build():
    def command(**_):
        Finalised()
        time.sleep(20)
    return command

app.build = build
app.main()
"""


def test_an_interrupt_during_finalisation_still_ends_the_program() -> None:
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, timeout=15, start_new_session=True)
    assert result.returncode == 128 + signal.SIGINT
    assert b"Traceback" not in result.stderr
