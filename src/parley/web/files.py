"""The built browser files, read into memory once."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DIST = Path(__file__).parent / "dist"

_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}


@dataclass(frozen=True)
class BuiltFile:
    """One file of the build."""

    path: str
    """Path under `dist/`, with forward slashes."""
    content: bytes
    gzipped: bytes | None
    """The same, compressed at build time; `None` where that was not worth it."""

    @cached_property
    def media_type(self) -> str:
        """Value of the Content-Type header."""
        suffix = Path(self.path).suffix
        return _TYPES.get(suffix) or mimetypes.guess_type(self.path)[0] or "application/octet-stream"

    @cached_property
    def etag(self) -> str:
        """Weak entity tag (RFC 9110 section 8.8.3): the same for both encodings."""
        return entity_tag(self.content)


def entity_tag(content: bytes) -> str:
    """Weak entity tag of some content."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:20]}"'


def read_dist(folder: Path = DIST) -> dict[str, BuiltFile]:
    """All built files by path; empty when nothing has been built.

    Serving by look-up in this mapping means that no request can reach a file outside the build.
    """
    if not folder.is_dir():
        return {}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: BuiltFile(
            name, path.read_bytes(), found[f"{name}.gz"].read_bytes() if f"{name}.gz" in found else None
        )
        for name, path in found.items()
        if not name.endswith(".gz")
    }
