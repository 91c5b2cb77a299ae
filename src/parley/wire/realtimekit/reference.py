"""The API reference at `/docs/api`: a page of our own, so that reading it sends nothing anywhere.

`/docs/api/openapi.json` is the document itself, for tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

import msgspec
from litestar import Response, Router, get

from parley.wire.realtimekit.api import AREAS, endpoints
from parley.wire.realtimekit.endpoint import Routes
from parley.wire.realtimekit.openapi import Json, document
from parley.wire.realtimekit.prefix import PREFIX

PATH = "/docs/api"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#2160fd}
*{box-sizing:border-box}
body{margin:0;font:15px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 6rem}
h1{font-size:1.7rem;margin:0 0 .25rem}
h2{margin:2.5rem 0 .75rem;font-size:1.25rem}
h3{margin:1.25rem 0 .4rem;font-size:.8rem;text-transform:uppercase;letter-spacing:.06em;opacity:.7}
nav a{margin-right:1rem}
a{color:var(--accent)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}
summary{cursor:pointer;padding:.6rem .8rem;display:flex;gap:.8rem;align-items:baseline;flex-wrap:wrap}
summary:focus-visible{outline:2px solid var(--accent)}
details>div{padding:0 .9rem 1rem}
code,.method{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.method{font-weight:700;min-width:3.8rem;color:var(--accent)}
.what{margin-left:auto;opacity:.75}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid var(--line);padding:.35rem .5rem .35rem 0;text-align:left;vertical-align:top}
th{font-weight:600}
.need{color:#c2410c;font-size:.8em}
"""


def reference_router(areas: Sequence[Routes] = AREAS, *, prefix: str = PREFIX) -> Router:
    """The page and the document, made once; `prefix` is the path in front of every route."""
    described = document(endpoints(areas), prefix)
    encoded = msgspec.json.encode(described)
    page = render(described)

    @get("/", media_type="text/html", include_in_schema=False, sync_to_thread=False)
    def reference() -> Response[str]:
        """The page."""
        headers = {
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response(page, media_type="text/html", headers=headers)

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def schema() -> Response[bytes]:
        """The document."""
        return Response(
            encoded,
            media_type="application/json",
            headers={"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"},
        )

    return Router(PATH, route_handlers=[reference, schema])


def render(described: Json) -> str:
    """The document as a page without scripts."""
    info = described["info"]
    tags = [tag["name"] for tag in described["tags"]]
    schemas = described["components"]["schemas"]
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in tags)
    areas = "".join(_area(tag, described["paths"], schemas) for tag in tags)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(info['title'])}</h1>"
        f"<p>Version {escape(info['version'])}. {escape(info['description'])} "
        f"Paths begin with <code>{escape(described['servers'][0]['url'])}</code>; every request carries "
        "<code>Authorization: Bearer &lt;token&gt;</code>. "
        '<a href="/docs/api/openapi.json">OpenAPI document</a></p>'
        f"<nav>{links}</nav>{areas}</main></body></html>"
    )


def _anchor(tag: str) -> str:
    return re.sub(r"\W+", "-", tag.lower())


def _area(tag: str, paths: dict[str, Json], schemas: dict[str, Json]) -> str:
    rows = [
        _operation(method, path, operation, schemas)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    ]
    return f'<section><h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(rows)}</section>'


def _operation(method: str, path: str, operation: Json, schemas: dict[str, Json]) -> str:
    short = path.replace("/accounts/{account_id}/realtime/kit", "…")
    parts = [f"<p><code>{escape(path)}</code></p>"]
    if operation.get("description"):
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    queries = [p for p in operation["parameters"] if p["in"] == "query"]
    if queries:
        rows = [(p["name"], _type(p["schema"]), False, p.get("description", "")) for p in queries]
        parts.append(f"<h3>Query</h3>{_table(rows)}")
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<h3>Body</h3>{_table(list(_members(schema, schemas, '', ())))}")
    status, answer = next(iter(operation["responses"].items()))
    schema = answer["content"]["application/json"]["schema"]
    told = [(name, kind, False, text) for name, kind, _, text in _members(schema, schemas, "", ())]
    parts.append(f"<h3>Answer {status}</h3>{_table(told)}")
    return (
        f'<details id="{operation["operationId"]}"><summary><span class="method">{method.upper()}</span>'
        f'<code>{escape(short)}</code><span class="what">{escape(operation["summary"])}</span></summary>'
        f"<div>{''.join(parts)}</div></details>"
    )


def _prose(text: str) -> str:
    """Text with words in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _members(
    schema: Json, schemas: dict[str, Json], prefix: str, above: tuple[str, ...]
) -> Iterator[tuple[str, str, bool, str]]:
    """Name, type, whether it is required, and meaning of each member, with dotted names."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name in above:
        return
    shape = schemas.get(name, schema)
    required = set(shape.get("required", ()))
    for member, inner in shape.get("properties", {}).items():
        yield prefix + member, _type(inner), member in required, inner.get("description", "")
        for below, mark in _nested(inner):
            yield from _members(below, schemas, f"{prefix}{member}{mark}.", (*above, name))


def _nested(schema: Json) -> list[tuple[Json, str]]:
    if "anyOf" in schema:
        return [found for option in schema["anyOf"] for found in _nested(option)]
    if schema.get("type") == "array":
        return [(below, "[]" + mark) for below, mark in _nested(schema.get("items") or {})]
    return [(schema, "")] if "$ref" in schema else []


def _type(schema: Json) -> str:
    """A few words: kind, allowed values, limits, default."""
    if "anyOf" in schema:
        words = " or ".join(_type(option) for option in schema["anyOf"])
    elif "enum" in schema:
        words = ", ".join(map(str, schema["enum"]))
    elif schema.get("type") == "array":
        words = f"list of {_type(schema.get('items') or {})}"
    elif "multipleOf" in schema:
        words = "integer"
    else:
        words = schema.get("format") or schema.get("type") or "object"
    limits = {
        "minimum": "≥ {}",
        "maximum": "≤ {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {}",
        "maxItems": "at most {}",
    }
    words += "".join(f", {text.format(schema[key])}" for key, text in limits.items() if key in schema)
    default = schema.get("default")
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        words += f", default {default}"
    elif isinstance(default, bool):
        words += f", default {str(default).lower()}"
    return words


def _table(rows: list[tuple[str, str, bool, str]]) -> str:
    if not rows:
        return "<p>Nothing.</p>"
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code>{' <span class=need>required</span>' if needed else ''}</td>"
        f"<td>{escape(kind)}</td><td>{_prose(text)}</td></tr>"
        for name, kind, needed, text in rows
    )
    return f"<table>{cells}</table>"
