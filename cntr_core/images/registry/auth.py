"""Answering a registry's challenge: basic authentication, or a bearer token from its token service."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import httpx

from ...errors import ImageError
from ..values import Record
from .credentials import Credentials, find_credentials
from .reference import RegistryReference, is_loopback

_CHALLENGE = re.compile(r"\s*(?P<scheme>[A-Za-z]+)\s+(?P<rest>.*)")
_PARAMETER = re.compile(r'(?P<key>[A-Za-z]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s,"]+))')


Ask = Callable[[httpx.Request], tuple[httpx.Response, bytes]]
"""Sends one request, follows no redirect, and gives the response with its body."""


class RegistryAuth:
    """Looks for credentials when the registry itself wants some, and makes the header that it wants. Whoever sends
    requests sends that header to the registry's own origin only."""

    def __init__(self, reference: RegistryReference, actions: str, also: Sequence[str] = ()) -> None:
        self._reference = reference
        self._scopes = [f"repository:{reference.name}:{actions}", *(f"repository:{name}:pull" for name in also)]
        self.header = ""
        """The value of ``Authorization``; "" until the registry wants one."""
        self._credentials: Credentials | None = None
        self.named_user = False
        """Whether credentials were found: a refusal then means that they are wrong."""

    def meet(self, challenges: Sequence[str], ask: Ask) -> bool:
        """Meet what ``WWW-Authenticate`` demands; whether there is a header for it now.

        :raises ImageError: the token service refuses, or must not get a password.
        """
        offered = _challenges(challenges)
        if "bearer" in offered:
            self.header = f"Bearer {_token(*ask(self._token_request(offered['bearer'])), self._reference.host)}"
        elif "basic" in offered and (known := self._find()):
            self.header = _basic(known)
        else:
            return False
        return True

    def _find(self) -> Credentials | None:
        if self._credentials is None:
            self._credentials = find_credentials(self._reference.host)
            self.named_user = self._credentials is not None
        return self._credentials

    def _token_request(self, challenge: Mapping[str, str]) -> httpx.Request:
        """What distribution's auth/token.md and auth/oauth.md say."""
        realm, known = challenge.get("realm", ""), self._find()
        place = urlsplit(realm)
        if place.scheme != "https" and not (self._reference.is_local and is_loopback(place.hostname or "")):
            raise ImageError(f"{self._reference.host} requires passwords to be sent unencrypted, to {realm!r}")
        service = challenge.get("service", "")
        if known and known.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": known.identity_token, "client_id": "cntr"}
            return httpx.Request("POST", realm, data={**grant, "service": service, "scope": " ".join(self._scopes)})
        fields = {"service": service, "scope": self._scopes}
        request = httpx.Request("GET", httpx.URL(realm).copy_merge_params(fields))
        if known:
            request.headers["Authorization"] = _basic(known)
        return request


def _challenges(headers: Sequence[str]) -> dict[str, dict[str, str]]:
    """The parameters of each scheme that is offered, its name in lower case."""
    found = {}
    for header in headers:
        if match := _CHALLENGE.fullmatch(header):
            parameters = {m["key"].lower(): m["quoted"] or m["plain"] or "" for m in _PARAMETER.finditer(match["rest"])}
            found[match["scheme"].lower()] = parameters
    return found


def _token(response: httpx.Response, body: bytes, host: str) -> str:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.BAD_REQUEST):
        raise ImageError(f"{host} does not accept the user name or password", f"docker login {host}")
    if not response.is_success:
        raise ImageError(f"the token service of {host} fails: {response.status_code} {response.reason_phrase}")
    answer = Record.parse(body, f"the answer of {host}'s token service")
    token = answer.text("token") or answer.text("access_token")
    if not token:
        raise ImageError(f"the token service of {host} sends no token")
    return token


def _basic(known: Credentials) -> str:
    pair = f"{known.username}:{known.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
