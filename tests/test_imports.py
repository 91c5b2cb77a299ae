"""Which way imports point: `server, web → wire → domains → stream, store, bus → base`.

The rules are data below. A new edge between domains is one line with its reason in `DOMAIN_EDGES`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "parley"
MAX_LINES = 500
UNFINISHED = ("TODO", "FIXME", "NotImplementedError")

LAYERS: dict[str, int] = {
    "base": 0,
    "bus": 1,
    "outgoing": 1,
    "store": 1,
    "stream": 1,
    "accounts": 2,
    "channels": 2,
    "compositor": 2,
    "conversations": 2,
    "insight": 2,
    "livestreams": 2,
    "media": 2,
    "meetings": 2,
    "notifications": 2,
    "people": 2,
    "quality": 2,
    "recordings": 2,
    "rooms": 2,
    "webhooks": 2,
    "wire": 3,
    "headless": 4,
    "web": 4,
    "server": 4,
}
"""A package imports packages of lower layers, and itself."""

LAYER_EDGES: dict[tuple[str, str], str] = {
    ("server", "headless"): "`parley join` is a command of the same program",
    ("server", "web"): "the server serves the pages",
}
"""Edges inside one layer, with their reason. Between domains see below."""

DOMAIN_EDGES: dict[tuple[str, str], str] = {
    ("channels", "accounts"): "every query takes the Scope that accounts resolves",
    ("conversations", "accounts"): "every query takes the Scope that accounts resolves",
    ("conversations", "channels"): "messages are published on the conversation's channel",
    ("conversations", "insight"): "summaries and digests are written by its engines",
    ("conversations", "people"): "members are users; their roles decide what counts as unread",
    ("livestreams", "accounts"): "every query takes the Scope that accounts resolves",
    ("livestreams", "compositor"): "the live picture is painted as that of a recording",
    ("livestreams", "media"): "what is sent is forwarded by the media engine",
    ("livestreams", "meetings"): "streams are of meetings, and follow the running ones",
    ("meetings", "accounts"): "every query takes the Scope that accounts resolves",
    ("meetings", "channels"): "the chat of a meeting is a channel",
    ("meetings", "media"): "a live session moves its peers' media through the media port",
    ("notifications", "accounts"): "every query takes the Scope that accounts resolves",
    ("notifications", "channels"): "a notification is published on its target's channel",
    ("notifications", "people"): "recipients are users, and their settings say how they are told",
    ("people", "accounts"): "every query takes the Scope that accounts resolves; tokens name users",
    ("quality", "accounts"): "every query takes the Scope that accounts resolves",
    ("quality", "media"): "the media engine tells what arrives",
    ("quality", "meetings"): "what is measured belongs to a peer of a session",
    ("recordings", "accounts"): "every query takes the Scope that accounts resolves",
    ("recordings", "compositor"): "plans say what it shall make",
    ("recordings", "media"): "what is sent is captured by the media engine",
    ("recordings", "meetings"): "recordings are of meetings, and follow the running ones",
    ("rooms", "accounts"): "every query takes the Scope that accounts resolves; tokens name users",
    ("rooms", "channels"): "participants are members of a channel; webhooks hear of them as of channels",
    ("rooms", "media"): "a room's streams go through the media port",
    ("rooms", "meetings"): "what is sent is told to whoever records it as of meetings",
    ("rooms", "people"): "meetings are seen and changed by users, or by servers for them",
    ("webhooks", "accounts"): "endpoints belong to an app; secrets are its own",
    ("webhooks", "channels"): "publications and presence are told to webhooks",
}
"""Domain A may use domain B's public modules."""

DOMAIN_PUBLIC = frozenset({"service", "events", "model", "ports", "scope"})
"""The modules of a domain that other domains may import; never its `store`."""

DOMAIN_ALSO_PUBLIC: dict[str, frozenset[str]] = {
    "compositor": frozenset(
        {
            *("audio", "colours", "layout", "painter", "plan", "rtp", "seating", "speaking", "tiles"),
            *("timing", "video", "vp8"),
        }
    ),  # plans say what it is to make; live streams are painted and mixed with its parts
    "accounts": frozenset(
        {"app_settings", "keys", "plans", "rates", "user_tokens"}
    ),  # its services, one file each
    "channels": frozenset(
        {"files", "realtime"}
    ),  # files of chat, by link; a domain of its own, beside the chat of meetings
    "insight": frozenset(
        {"answers", "digest", "prompts", "registration", "summary"}
    ),  # functions over values
    "meetings": frozenset(
        {"configs", "history", "sessions"}
    ),  # what a meeting says about recordings, as values; questions about what ran and runs
    "media": frozenset({"pool", "turn"}),  # its services: placing a room on a node, relay credentials
    "notifications": frozenset({"sources", "views", "web"}),  # its services, one file each
    "people": frozenset({"activity", "availability", "preferences"}),  # its services, one file each
}

CONCRETE_ENGINES = (
    "parley.media.janus",
    "parley.media.loop",
    "parley.store.engine.sqlite",
    "parley.store.engine.postgres",
    "parley.bus.redis",
    "parley.bus.RedisBus",
    "parley.insight.engines",
)
"""Named by `server/` alone, and by the package that offers them; everybody else takes the port."""

LIBRARIES: dict[str, tuple[str, ...]] = {
    "litestar": ("parley.wire", "parley.web", "parley.server"),  # domains know no HTTP
    "uvicorn": ("parley.server", "parley.stream"),
    "sqlalchemy": ("parley.store", "*.store"),  # dialects know no SQL
    "alembic": ("parley.store",),
    "apsw": ("parley.store",),
    "asyncpg": ("parley.store",),
    "redis": ("parley.bus",),
    "google.protobuf": ("parley.wire", "parley.headless"),  # both ends of the client protocol
}
"""Where a library with an opinion about the architecture may be used; `*.store` is any domain's store."""

DOMAINS = frozenset(name for name, layer in LAYERS.items() if layer == LAYERS["accounts"])


class Import(NamedTuple):
    """One import, of ours or of a library."""

    path: str
    line: int
    importer: str
    """Dotted module that imports."""
    target: str
    """Dotted module or name that is imported."""


def module_name(path: Path, root: Path) -> str:
    """`parley.meetings.service` for `…/parley/meetings/service.py`."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, root: Path = SOURCE) -> Iterator[Import]:
    """Every import in a file, relative ones and those inside functions included."""
    importer = module_name(path, root)
    package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        for target in targets:
            yield Import(str(path.relative_to(root.parent)), node.lineno, importer, target)


def package_of(module: str) -> str:
    """`meetings` for `parley.meetings.service`; empty for `parley` itself."""
    return module.split(".")[1] if "." in module else ""


def violation(found: Import) -> str | None:
    """The rule that an import breaks, or None."""
    if not is_inside(found.target, "parley"):
        return library_violation(found)
    importer, target = package_of(found.importer), package_of(found.target)
    if target not in LAYERS:
        return None if found.target == "parley.__version__" else f"package {target!r} has no layer in LAYERS"
    if importer not in LAYERS:
        return f"package {importer!r} has no layer in LAYERS"
    if importer != "server":
        for engine in CONCRETE_ENGINES:
            offered_here = found.importer == engine.rpartition(".")[0]
            if is_inside(found.target, engine) and not is_inside(found.importer, engine) and not offered_here:
                return f"only server names a concrete engine ({engine}); take the port"
    if importer == target or (importer, target) in LAYER_EDGES:
        return None
    if importer in DOMAINS and target in DOMAINS:
        return domain_violation(found, importer, target)
    if importer == "wire" and target in DOMAINS and found.target.split(".")[2:3] == ["store"]:
        return "dialects know no SQL; call the domain's service"
    if LAYERS[target] >= LAYERS[importer]:
        return f"{importer} (layer {LAYERS[importer]}) may not import {target} (layer {LAYERS[target]})"
    return None


def domain_violation(found: Import, importer: str, target: str) -> str | None:
    """The rule between two domains that an import breaks, or None."""
    if (importer, target) not in DOMAIN_EDGES:
        return f"no edge {importer} → {target} in DOMAIN_EDGES"
    parts = found.target.split(".")
    public = DOMAIN_PUBLIC | DOMAIN_ALSO_PUBLIC.get(target, frozenset())
    if len(parts) > 2 and parts[2] not in public:
        return f"of another domain only {', '.join(sorted(public))} may be imported"
    return None


def library_violation(found: Import) -> str | None:
    """The library rule that an import breaks, or None."""
    for library, places in LIBRARIES.items():
        if is_inside(found.target, library):
            allowed = any(
                found.importer.endswith(place[1:])
                if place.startswith("*")
                else is_inside(found.importer, place)
                for place in places
            )
            return None if allowed else f"{library} is used in {', '.join(places)} only"
    return None


def is_inside(module: str, package: str) -> bool:
    """Whether a module is that package or below it."""
    return module == package or module.startswith(package + ".")


def sources() -> list[Path]:
    """Our hand-written files."""
    return sorted(path for path in SOURCE.rglob("*.py") if not path.stem.endswith("_pb2"))


def test_imports_point_downwards() -> None:
    broken = [
        f"{found.path}:{found.line} imports {found.target}: {rule}"
        for path in sources()
        for found in imports_of(path)
        if (rule := violation(found))
    ]
    assert not broken, "\n".join(broken)


def test_every_edge_has_a_reason_and_is_used() -> None:
    """An edge nobody uses any more is a permission nobody checks."""
    used = {
        (package_of(found.importer), package_of(found.target))
        for path in sources()
        for found in imports_of(path)
        if is_inside(found.target, "parley")
    }
    written = {importer for importer, _ in used}
    edges = {**LAYER_EDGES, **DOMAIN_EDGES}
    assert all(reason.strip() for reason in edges.values())
    unused = [f"{one} → {other}" for one, other in edges if one in written and (one, other) not in used]
    assert not unused, f"remove from the tables: {', '.join(unused)}"


def test_every_package_has_a_layer() -> None:
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages <= LAYERS.keys(), f"no layer for {sorted(packages - LAYERS.keys())}"


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(folder.relative_to(SOURCE.parent))
        for folder in sorted({path.parent for path in sources()})
        if not (folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]
    assert not silent, f"no docstring in the __init__.py of: {', '.join(silent)}"


def test_files_stay_short() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in sources()
        if path.parent.name != "versions"  # migrations are generated, and never change
    }
    long = [f"{path.relative_to(SOURCE)} ({lines})" for path, lines in lengths.items() if lines > MAX_LINES]
    assert not long, f"over {MAX_LINES} lines, split by what they say: {', '.join(long)}"


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{number} {word}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in UNFINISHED
        if word in line
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("importer", "statement", "rule"),
    [
        ("parley.base.ids", "import parley.store", "may not import store"),
        ("parley.meetings.service", "from parley.wire.realtimekit import codec", "may not import wire"),
        ("parley.wire.realtimekit.chat", "from parley.bus.redis import RedisBus", "concrete engine"),
        ("parley.wire.realtimekit.chat", "from parley.bus import RedisBus", "concrete engine"),
        ("parley.meetings.live", "from parley.media.janus import session", "concrete engine"),
        ("parley.meetings.service", "from parley.channels.store import Rows", "of another domain only"),
        ("parley.meetings.service", "from parley.channels import store", "of another domain only"),
        (
            "parley.accounts.service",
            "from parley.meetings.model import Meeting",
            "no edge accounts → meetings",
        ),
        ("parley.meetings.service", "def f():\n    from ..wire import shapes", "may not import wire"),
        ("parley.store.outbox", "from parley import server", "may not import server"),
        ("parley.wire.realtimekit.chat", "from parley.channels.store import Rows", "dialects know no SQL"),
        ("parley.wire.realtimekit.chat", "import sqlalchemy as sa", "sqlalchemy is used in"),
        ("parley.meetings.service", "from litestar import get", "litestar is used in"),
        ("parley.meetings.store", "import sqlalchemy as sa", None),
        ("parley.meetings.service", "from parley.channels.service import send", None),
        ("parley.meetings.live", "from parley.media.pool import MediaPool", None),
        ("parley.media.janus.room", "from parley.media.janus.link import Link", None),
        ("parley.media.janus.room", "from .link import Link", None),
        ("parley.server.cli", "from parley.bus.redis import RedisBus", None),
        ("parley.wire.realtimekit.chat", "from parley.base.errors import NotFound", None),
    ],
)
def test_rules_tell_right_from_wrong(tmp_path: Path, importer: str, statement: str, rule: str | None) -> None:
    """The checker itself: one example for each rule, and for what is allowed."""
    path = tmp_path.joinpath(*importer.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True)
    path.write_text(statement, encoding="utf-8")
    (found,) = imports_of(path, tmp_path / "parley")
    message = violation(found)
    assert (message is None) if rule is None else (message is not None and rule in message)
