"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Order(StrEnum):
    """Direction of a list."""

    ASC = "ASC"
    DESC = "DESC"


class PageRequest(msgspec.Struct, frozen=True):
    """Which part of a list is wanted."""

    number: int = 1
    """1 for the first page."""
    size: int = 25
    """Rows per page, 1 to 100."""

    @property
    def skip(self) -> int:
        """Rows before this page."""
        return (self.number - 1) * self.size


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list and where it lies."""

    rows: Sequence[T]
    total: int
    """Matching rows over all pages."""
    request: PageRequest

    @property
    def start_offset(self) -> int:
        """1-based position of the first row; 0 on an empty page."""
        return self.request.skip + 1 if self.rows else 0

    @property
    def end_offset(self) -> int:
        """1-based position of the last row; 0 on an empty page."""
        return self.request.skip + len(self.rows) if self.rows else 0
