"""An OpenAPI document becomes the requests that its author would make to try it out."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from cntr_slimmer.probes.openapi_requests import Operation, operations
from hypothesis import example, given


def document(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "paths": paths, **more}


def get(*parameters: dict[str, Any], path: str = "/x") -> Operation:
    [operation] = operations(document({path: {"get": {"parameters": list(parameters)}}}), write=False)
    return operation


def parameter(where: str = "query", name: str = "q", **more: Any) -> dict[str, Any]:
    return {"in": where, "name": name, **more}


@pytest.mark.parametrize(
    ("given_parameter", "path", "exact"),
    [
        (parameter(example="a b"), "/x?q=a+b", True),
        (parameter(examples={"one": {"value": 1}, "two": {"value": 2}}), "/x?q=1", True),
        (parameter(schema={"default": True}), "/x?q=true", True),
        (parameter(schema={"type": "string", "enum": ["new", "old"]}), "/x?q=new", True),
        (parameter(schema={"type": "array", "items": {"default": 3}}), "/x?q=3", True),
        (parameter(schema={"type": "integer"}), "/x", True),
        (parameter(required=True, schema={"type": "integer"}), "/x?q=1", False),
        (parameter(required=True, schema={"type": "integer", "minimum": 5}), "/x?q=5", False),
        (parameter(required=True, schema={"type": ["null", "boolean"]}), "/x?q=true", False),
        (parameter(required=True, schema={"allOf": [{"default": 4}]}), "/x?q=4", True),
    ],
)
def test_parameters_take_examples_then_defaults_then_the_simplest(
    given_parameter: dict[str, Any], path: str, exact: bool
) -> None:
    operation = get(given_parameter)
    assert (operation.path, operation.exact) == (path, exact)


def test_parameters_go_where_they_belong() -> None:
    found = get(
        parameter("path", "id", example="a/b"),
        parameter("header", "X-Key", example="k"),
        parameter("cookie", "c", example="1"),
        path="/x/{id}",
    )
    assert found.path == "/x/a%2Fb"
    assert found.headers == {"X-Key": "k", "Cookie": "c=1"}


def test_parameters_of_the_path_are_overridden_by_the_operation_s() -> None:
    item = {"parameters": [parameter(example=1)], "get": {"parameters": [parameter(example=2)]}}
    assert [one.path for one in operations(document({"/x": item}), False)] == ["/x?q=2"]


def test_only_reads_unless_writes_are_asked_for() -> None:
    item = {method: {} for method in ("get", "post", "delete", "head")}
    assert [one.method for one in operations(document({"/x": item}), False)] == ["GET", "HEAD"]
    assert {one.method for one in operations(document({"/x": item}), True)} == {"GET", "HEAD", "POST", "DELETE"}


@pytest.mark.parametrize(
    ("kind", "content"),
    [("application/json", b'{"name": "Rex", "age": 1}'), ("application/x-www-form-urlencoded", b"name=Rex&age=1")],
)
def test_bodies_are_made_by_their_schema(kind: str, content: bytes) -> None:
    properties = {"name": {"type": "string", "example": "Rex"}, "age": {"type": "integer"}, "id": {"type": "string"}}
    schemas = {"Pet": {"type": "object", "required": ["age"], "properties": properties}}
    body = {"content": {kind: {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    described = document({"/x": {"post": {"requestBody": body}}}, components={"schemas": schemas})
    [operation] = operations(described, write=True)
    assert (operation.content, operation.headers, operation.exact) == (content, {"Content-Type": kind}, False)


def test_a_schema_that_contains_itself_ends() -> None:
    schemas = {"Node": {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/c/Node"}}}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/c/Node"}}}}
    [operation] = operations({**document({"/x": {"post": {"requestBody": body}}}), "c": schemas}, write=True)
    assert operation.content is not None and json.loads(operation.content)


def test_the_server_s_path_comes_first() -> None:
    described = document({"/x": {"get": {}}}, servers=[{"url": "https://example.com/api/v3/"}])
    assert [one.path for one in operations(described, False)] == ["/api/v3/x"]


@pytest.mark.parametrize(
    ("status", "responses", "foreseen"),
    [
        (404, ["404"], True),
        (404, ["4XX"], True),
        (404, ["default"], True),
        (404, ["200"], False),
        (500, ["default"], False),
        (500, ["5XX"], False),
        (501, ["501"], True),
    ],
)
def test_a_failure_of_the_server_must_be_foreseen_by_number(status: int, responses: list[str], foreseen: bool) -> None:
    item = {"get": {"responses": {name: {} for name in responses}}}
    [operation] = operations(document({"/x": item}), False)
    assert operation.foresees(status) is foreseen


@pytest.mark.parametrize("other", [{}, {"swagger": "2.0"}, {"openapi": "4.0"}, {"openapi": 3}])
def test_other_documents_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an OpenAPI 3"):
        list(operations(other, False))


_words = st.sampled_from(
    [
        "get",
        "post",
        "parameters",
        "schema",
        "example",
        "required",
        "$ref",
        "#/paths",
        "in",
        "name",
        "path",
        "query",
        "header",
        "requestBody",
        "content",
        "application/json",
        "properties",
        "allOf",
        "type",
        "object",
        "array",
        "items",
        "x",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=30,
)


@given(st.dictionaries(_words.map(lambda word: f"/{word}"), st.dictionaries(_words, _json, max_size=4), max_size=3))
@example({"/get": {"parameters": [{"in": []}], "get": None}})
def test_no_document_is_too_odd(paths: dict[str, Any]) -> None:
    for operation in operations(document(paths), write=True):
        assert operation.path.startswith("/")
