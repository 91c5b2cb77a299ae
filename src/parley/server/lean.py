"""Optional parts of libraries that a server never uses: kept out of its memory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import cast


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Imports inside the block find these packages missing; what is loaded already is not touched.

    For libraries that load something whenever it is installed, and do without where it is not.
    """
    hidden = [name for name in packages if name not in sys.modules]
    # None in `sys.modules` makes an import fail (Python's documentation of the import system).
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            modules.pop(name)
