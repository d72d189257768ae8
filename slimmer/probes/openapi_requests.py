"""The requests that an OpenAPI 3 document tells of, with its own examples and defaults; no I/O here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .allowance import Allowance, spelt

READS = ("get", "head")
_WRITES = ("post", "put", "patch", "delete", "options")
_DEEPEST = 8
_GLANCE = 1000
"""Characters that are searched as fast as a value is looked at."""
_BY_FORMAT = {
    "date": "2024-01-01",
    "date-time": "2024-01-01T00:00:00Z",
    "email": "user@example.com",
    "uri": "http://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}
_BY_TYPE: Mapping[str, Any] = {"string": "example", "integer": 1, "number": 1, "boolean": True}
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request. `exact`: all that it needs was in the document, nothing was made up. `documented` has the statuses
    (``404``, ``4XX``, ``default``) that the document foresees."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None
    exact: bool
    documented: frozenset[str]

    def foresees(self, status: int) -> bool:
        """Whether the document tells of this status; a server's own failure must be told by its number."""
        own = str(status) in self.documented
        return own or (status < 500 and bool(self.documented & {f"{status // 100}XX", "default"}))


def operations(document: Mapping[str, Any], write: bool) -> Iterator[Operation]:
    """The operations in the document's order; only GET and HEAD unless `write`.

    :raises ValueError: it is no OpenAPI 3 document, or means too much; the text says why.
    """
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        raise ValueError(
            f"it is not an OpenAPI 3 document but {_word(document.get('swagger') or version)[:20] or 'something else'}"
        )
    reader = _Reader(document)
    for path, item in _mapping(document.get("paths")).items():
        if not path.startswith("/"):  # "The field name MUST begin with a forward slash"; @host/ would lead elsewhere
            continue
        described = reader.resolve(item)
        for method in (*READS, *(_WRITES if write else ())):
            if method in described:
                yield reader.operation(method, path, described, reader.resolve(described[method]))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


class _Reader:
    """Reads one document; what is malformed counts as absent, since the server will tell what it wants."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._allowance = Allowance()
        self._places: dict[str, object] = {}
        servers = _list(document.get("servers"))
        url = _word(_mapping(servers[0]).get("url")) if servers else ""
        try:
            prefix = urlsplit(url).path.rstrip("/")
        except ValueError:
            prefix = ""
        self._prefix = prefix if prefix.startswith("/") else ""

    def resolve(self, value: object) -> Mapping[str, Any]:
        """The object, by way of its ``$ref`` into this document; empty where there is none."""
        for _ in range(_DEEPEST):
            self._allowance.look()
            found = _mapping(value)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            if reference not in self._places:
                self._places[reference] = self._at(reference)
            value = self._places[reference]
        return {}

    def _at(self, reference: str) -> object:
        here: object = self._document if reference.startswith("#/") else None
        for part in reference.removeprefix("#/").split("/"):
            here = _mapping(here).get(part.replace("~1", "/").replace("~0", "~"))
        return here

    def operation(self, method: str, path: str, item: Mapping[str, Any], described: Mapping[str, Any]) -> Operation:
        """One operation, its parameters filled in."""
        request = _Filled(self._allowance, self._prefix, path)
        shared = [self.resolve(one) for one in _list(item.get("parameters"))]
        own = [self.resolve(one) for one in _list(described.get("parameters"))]
        for parameter in {(_word(one.get("in")), _word(one.get("name"))): one for one in shared + own}.values():
            self._fill(request, parameter)
        if body := self.resolve(described.get("requestBody")):
            self._body(request, _mapping(body.get("content")), bool(body.get("required")))
        responses = _mapping(described.get("responses"))
        self._allowance.look(len(responses))
        return request.operation(method.upper(), frozenset(responses))

    def _fill(self, request: _Filled, parameter: Mapping[str, Any]) -> None:
        value, exact = self._value(parameter, _mapping(parameter.get("schema")))
        if not exact and not parameter.get("required"):
            return
        request.exact &= exact
        request.set(_word(parameter.get("in")), _word(parameter.get("name")), value)

    def _body(self, request: _Filled, content: Mapping[str, Any], required: bool) -> None:
        self._allowance.look(len(content))
        kinds = [kind for kind in content if kind.partition(";")[0] in ("application/json", _FORM)]
        if not kinds:
            request.exact &= not required
            return
        described = _mapping(content[kinds[0]])
        value, exact = self._value(described, _mapping(described.get("schema")))
        request.exact &= exact
        request.headers["Content-Type"] = kinds[0]
        is_form = kinds[0].startswith(_FORM)
        request.content = (_urlencoded(_mapping(value)) if is_form else spelt(value)).encode()

    def _value(self, described: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Any, bool]:
        """An example, and whether the document itself has it."""
        if "example" in described:
            return self._allowance.taken(described["example"]), True
        for example in _mapping(described.get("examples")).values():
            if "value" in (found := self.resolve(example)):
                return self._allowance.taken(found["value"]), True
        return self._made(schema, 0)

    def _made(self, schema: object, depth: int) -> tuple[Any, bool]:
        """A value of the schema: its example, default or first choice, else the simplest one of its type."""
        found = self.resolve(schema)
        for name in ("example", "default", "const"):
            if name in found:
                return self._allowance.taken(found[name]), True
        for name in ("examples", "enum"):
            if choices := _list(found.get(name)):
                return self._allowance.taken(choices[0]), True
        for name in ("allOf", "oneOf", "anyOf"):
            if (parts := _list(found.get(name))) and depth < _DEEPEST:
                made = [self._made(part, depth + 1) for part in (parts if name == "allOf" else parts[:1])]
                return _united(made)
        return self._plain(found, depth)

    def _plain(self, schema: Mapping[str, Any], depth: int) -> tuple[Any, bool]:
        kinds = schema.get("type")
        kind = next((one for one in _list(kinds) if one != "null"), kinds)
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        if kind == "array":
            value, exact = self._made(schema.get("items"), depth + 1) if depth < _DEEPEST else (None, False)
            return [value], exact
        if kind in ("integer", "number") and isinstance(schema.get("minimum"), int):
            return self._allowance.taken(schema["minimum"]), False
        return _BY_FORMAT.get(_word(schema.get("format")), _BY_TYPE.get(_word(kind), "example")), False

    def _object(self, schema: Mapping[str, Any], depth: int) -> tuple[Any, bool]:
        named = _list(schema.get("required"))
        self._allowance.look(len(named))
        required = set(map(_word, named))
        made = {}
        exact = True
        for name, one in _mapping(schema.get("properties")).items():
            value, known = self._made(one, depth + 1) if depth < _DEEPEST else (None, False)
            if known or name in required:
                self._allowance.take(len(name))
                made[name] = value
                exact &= known
        return made, exact


def _united(parts: list[tuple[Any, bool]]) -> tuple[Any, bool]:
    """The parts of an ``allOf``, or the one choice of another."""
    objects = [value for value, _ in parts if isinstance(value, dict)]
    exact = all(known for _, known in parts)
    if not objects:
        return parts[0][0], exact
    return {name: value for one in objects for name, value in one.items()}, exact


class _Filled:
    """A request that is being filled in."""

    def __init__(self, allowance: Allowance, prefix: str, path: str) -> None:
        self._allowance = allowance
        allowance.take(len(prefix) + len(path))
        self._path = prefix + path
        self._query: list[tuple[str, str]] = []
        self._cookies: list[str] = []
        self.headers: dict[str, str] = {}
        self.content: bytes | None = None
        self.exact = True

    def set(self, where: str, name: str, value: Any) -> None:
        """Put a parameter where it belongs; a list is written as its elements with commas, or repeated in a query."""
        values = [_text(one) for one in (value if isinstance(value, list) else [value])]
        self._allowance.take(len(name))
        if where == "path":
            self._fill("{" + name + "}", quote(",".join(values), safe="", errors="replace"))
        elif where == "query":
            self._query += [(name, one) for one in values]
        elif where == "header":
            self.headers[name] = ",".join(values)
        elif where == "cookie":
            self._cookies.append(f"{name}={quote(','.join(values), errors='replace')}")

    def _fill(self, hole: str, text: str) -> None:
        self._allowance.look(len(self._path) // _GLANCE)
        self._allowance.take(self._path.count(hole) * len(text))
        self._path = self._path.replace(hole, text)

    def operation(self, method: str, documented: frozenset[str]) -> Operation:
        """The request as a value."""
        path = self._path + (f"?{_urlencoded(self._query)}" if self._query else "")
        headers = self.headers | ({"Cookie": "; ".join(self._cookies)} if self._cookies else {})
        return Operation(method, path, headers, self.content, self.exact, documented)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else spelt(value)


def _urlencoded(values: Mapping[str, Any] | list[tuple[str, str]]) -> str:
    return urlencode(values, doseq=True, errors="replace")  # JSON may have halves of surrogate pairs
