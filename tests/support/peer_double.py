#!/usr/bin/env python3
"""A stand-in for slimtoolkit and mint in tests, never in results: their command line and their order of work, as their
README has them under "build", and an image that is as the container was left.

    peer_double.py --report=FILE --state-path=DIR build --target IMAGE --tag NAME --http-probe=false
        --continue-after=signal [--env=NAME=VALUE]... [--cmd=COMMAND]
"""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version="stand-in 1")
    parser.add_argument("--report", required=True)
    parser.add_argument("--state-path", required=True)
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build")
    for option in ("--target", "--tag"):
        build.add_argument(option, required=True)
    build.add_argument("--http-probe", choices=["false"], required=True)
    build.add_argument("--continue-after", choices=["signal"], required=True)
    build.add_argument("--env", action="append", default=[])
    build.add_argument("--cmd", default="")
    slim(parser.parse_args())


def slim(words: argparse.Namespace) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    env = [f"--env={one}" for one in words.env]
    container = docker("run", "--detach", *env, words.target, *shlex.split(words.cmd))
    print("send SIGUSR1 when you are done using the container", flush=True)
    signal.sigwait([signal.SIGUSR1])
    try:
        docker("commit", container, words.tag)
    finally:
        docker("rm", "--force", container)


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
