"""A measured figure, what it has to hold, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the final table; without a bound it is information only."""

    name: str
    value: float
    unit: str = "x"
    """`x` is a ratio to something measured in the same run."""
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""
    """What the value was made of."""

    @property
    def is_held(self) -> bool:
        """Whether the value lies within its bounds."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The bound as people write it; empty when there is none."""
        if self.at_least is not None:
            return f">= {self.at_least:,g}"
        return "" if self.at_most is None else f"<= {self.at_most:,g}"

    @property
    def verdict(self) -> str:
        """One word."""
        if not self.bound:
            return ""
        return "held" if self.is_held else "MISSED"


def table(figures: Sequence[Figure]) -> str:
    """Aligned columns: name, value, bound, verdict, detail."""
    if not figures:
        return ""
    rows = [(f.name, f"{_number(f.value)} {f.unit}", f.bound, f.verdict, f.detail) for f in figures]
    name, value, bound, verdict, _ = (max(map(len, column), default=0) for column in zip(*rows, strict=True))
    return "\n".join(
        f"{row[0]:<{name}}  {row[1]:>{value}}  {row[2]:>{bound}}  {row[3]:<{verdict}}  {row[4]}".rstrip()
        for row in rows
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
