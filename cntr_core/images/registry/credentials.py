"""Who we are to a registry, as ``docker login`` noted it."""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
from dataclasses import dataclass, field

from ...errors import ImageError
from ...reasons import reason
from ..values import Record
from .reference import HUB, HUB_NAMES

_HELPER_LIMIT = 30
"""Seconds that a credential helper may take; it may have to unlock a key ring."""
_HUB_KEY = "https://index.docker.io/v1/"  # what docker login calls its own registry
_TOKEN_USER = "<token>"  # docker-credential-helpers: the secret is an identity token


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and password; or an identity token, that is changed for others (OAuth 2)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def find_credentials(host: str) -> Credentials | None:
    """What the files of docker and podman know for the registry `host`, or a helper named there: the first that does.

    :raises ImageError: a file is damaged, or the helper fails.
    """
    return next((known for path in _files() if (known := _find_in(path, host))), None)


def _files() -> list[str]:
    """Docker's, and what containers-auth.json(5) names."""
    docker = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    podman = [os.path.join(directory, "containers", "auth.json") for directory in (runtime, config)]
    if os.getuid() == 0:
        podman.append("/run/containers/0/auth.json")
    named = os.environ.get("REGISTRY_AUTH_FILE")
    return [os.path.join(docker, "config.json"), *([named] if named else podman)]


def _find_in(path: str, host: str) -> Credentials | None:
    try:
        with open(path, "rb") as file:
            config = Record.parse(file.read(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        step = "set DOCKER_CONFIG to another directory"
        raise ImageError(f"{path} cannot be read: {error.strerror}", step) from error
    helpers = config.texts_by_name("credHelpers")
    for name in HUB_NAMES if host == HUB else (host,):
        if name in helpers:
            return _ask(helpers[name], host)
        if noted := _noted(config, name):
            return noted
    helper = config.text("credsStore")
    return _ask(helper, host) if helper else None


def _noted(config: Record, host: str) -> Credentials | None:
    auths = config.record("auths")
    for key in config.names("auths"):
        if _host(key) == host and (entry := auths.record(key)):
            user, password = _decoded(entry.text("auth"), key)
            return Credentials(
                entry.text("username") or user, entry.text("password") or password, entry.text("identitytoken")
            )
    return None


def _host(key: str) -> str:
    """Old dockers noted URLs: ``https://HOST/v1/``."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key


def _decoded(auth: str, key: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ImageError(
            f"docker's config.json has a damaged password for {key}", f"docker login {_host(key)}"
        ) from error
    return user, password.rstrip("\0")


def _ask(helper: str, host: str) -> Credentials | None:
    """Run ``docker-credential-HELPER get``; None where it knows nothing of `host`."""
    program = f"docker-credential-{helper}"
    step = f"try {program} by hand, or remove it from docker's config.json"
    try:
        done = subprocess.run(
            [program, "get"],
            input=(_HUB_KEY if host == HUB else host).encode(),
            capture_output=True,
            timeout=_HELPER_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"the credential helper of {host} cannot be run: {reason(error)}", step) from error
    if done.returncode != 0:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if "credentials not found" in said:
            return None
        raise ImageError(f"{program} fails: {said:.200}", step)
    answer = Record.parse(done.stdout, f"the answer of {program}")
    user, secret = answer.text("Username"), answer.text("Secret")
    return Credentials(identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)
