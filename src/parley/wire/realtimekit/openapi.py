"""The OpenAPI document (3.1), made of the declared routes: what checks a request also describes it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any, get_args

import msgspec

from parley import __version__
from parley.wire.realtimekit.endpoint import KIT, Endpoint
from parley.wire.realtimekit.errors import Refusal
from parley.wire.realtimekit.prefix import PREFIX

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ERRORS = {
    400: "The request is wrong: the first failing field is named.",
    401: "No token, or none that works.",
    403: "The token is for another account, or may only read.",
    404: "Something the path or body names does not exist.",
    409: "It exists already, or is in use.",
    413: "The body is over 1 MiB.",
    429: "Too many requests; see the Retry-After header.",
    500: "Unexpected.",
    503: "The database is away; see the Retry-After header.",
}


def document(endpoints: Sequence[Endpoint], prefix: str = PREFIX) -> Json:
    """The whole document, ready to be encoded."""
    shapes: list[Any] = [Refusal]
    for endpoint in endpoints:
        shapes += [s for s in (endpoint.documented_body, endpoint.query, endpoint.answer) if s is not None]
    found, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    references = iter(found)
    refusal = next(references)
    for shape in _structs(shapes):
        _describe(shape, components)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        body = next(references) if endpoint.documented_body is not None else None
        query = next(references) if endpoint.query is not None else None
        answer = next(references)
        operation = _operation(endpoint, body, answer, refusal)
        operation["parameters"] += _query_parameters(query, components)
        paths.setdefault(KIT + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley RealtimeKit API",
            "version": __version__,
            "description": "Meetings, participants, presets, sessions and webhooks.",
        },
        "servers": [{"url": prefix}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": _without_queries(components, endpoints),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, body: Json | None, answer: Json, refusal: Json) -> Json:
    operation: Json = {
        "operationId": endpoint.run.__name__,
        "tags": [endpoint.tag],
        "summary": endpoint.summary.removesuffix("."),
        "parameters": [_path_parameter(name, endpoint) for name in _PARAMETER.findall(KIT + endpoint.path)],
        "responses": {str(endpoint.status): _response("Done.", answer)}
        | {str(status): _response(text, refusal) for status, text in _ERRORS.items()},
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}, "required": True}
    return operation


def _response(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str, endpoint: Endpoint) -> Json:
    schema: Json = {"type": "string"}
    if name in endpoint.ids:
        schema["format"] = "uuid"
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: Json | None, components: dict[str, Json]) -> list[Json]:
    if query is None:
        return []
    shape = components[_name_of(query)]
    parameters = []
    for name, schema in shape["properties"].items():
        schema = {key: value for key, value in schema.items() if (key, value) != ("default", "")}
        text = schema.pop("description", None)
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        parameters.append(parameter | ({"description": text} if text else {}))
    return parameters


def _name_of(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _without_queries(components: dict[str, Json], endpoints: Sequence[Endpoint]) -> dict[str, Json]:
    queries = {endpoint.query.__name__ for endpoint in endpoints if endpoint.query is not None}
    return {name: schema for name, schema in components.items() if name not in queries}


# --- what the shapes' sources say about their fields --------------------------------------------


def _structs(shapes: Sequence[Any]) -> list[type[msgspec.Struct]]:
    """Every struct inside the shapes."""
    seen: dict[Any, None] = {}
    waiting = list(shapes)
    while waiting:
        shape = waiting.pop()
        waiting += get_args(shape)
        origin = getattr(shape, "__origin__", shape)
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct) and origin not in seen:
            seen[origin] = None
            waiting += [field.type for field in msgspec.structs.fields(origin)]
    return list(seen)


def _describe(shape: type[msgspec.Struct], components: dict[str, Json]) -> None:
    properties = components.get(shape.__name__, {}).get("properties", {})
    for owner in reversed(shape.__mro__):
        for name, text in _field_texts(owner).items():
            if name in properties and "$ref" not in properties[name]:
                properties[name]["description"] = text


@cache
def _field_texts(owner: type) -> dict[str, str]:
    """The sentence under each field of a class."""
    if not owner.__module__.startswith("parley."):
        return {}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            texts[field.target.id] = inspect.cleandoc(text.value.value)
    return texts
