"""Every table, whichever module defines it: what migrations are compared with."""

from __future__ import annotations

from parley.store.schema import channels, conversations, people, recordings, tables
from parley.store.schema.columns import metadata

DEFINED_IN = (tables, channels, people, conversations, recordings)
__all__ = ["DEFINED_IN", "metadata"]
