"""How a meeting looks to the holder of a preset (`realtimekit.md` 6.5).

The structure is that of the wire and of storage; what a client leaves out has its documented default.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts."""


class BrandColors(_Part, frozen=True):
    """Shades of the accent colour."""

    shade_300: str = field(name="300", default="#844d1c")
    shade_400: str = field(name="400", default="#9d5b22")
    shade_500: str = field(name="500", default="#b56927")
    shade_600: str = field(name="600", default="#d37c30")
    shade_700: str = field(name="700", default="#d9904f")


class BackgroundColors(_Part, frozen=True):
    """Shades of the background."""

    shade_600: str = field(name="600", default="#222222")
    shade_700: str = field(name="700", default="#1f1f1f")
    shade_800: str = field(name="800", default="#1b1b1b")
    shade_900: str = field(name="900", default="#181818")
    shade_1000: str = field(name="1000", default="#141414")


class Colors(_Part, frozen=True):
    """Every colour, in any CSS notation."""

    brand: BrandColors = BrandColors()
    background: BackgroundColors = BackgroundColors()
    danger: str = "#FF2D2D"
    success: str = "#62A504"
    text: str = "#EEEEEE"
    text_on_brand: str = "#EEEEEE"
    video_bg: str = "#191919"
    warning: str = "#FFCD07"


class DesignTokens(_Part, frozen=True):
    """The UI kit's design system."""

    theme: Literal["darkest", "dark", "light"] = "dark"
    border_radius: Literal["sharp", "rounded", "extra-rounded", "circular"] = "rounded"
    border_width: Literal["none", "thin", "fat"] = "thin"
    spacing_base: float = 4
    colors: Colors = Colors()
    font_family: str | UnsetType = UNSET
    google_font: str | UnsetType = UNSET
    logo: str | UnsetType = UNSET


class Looks(_Part, frozen=True):
    """The `ui` member of a preset."""

    design_tokens: DesignTokens = DesignTokens()
    config_diff: dict[str, Any] | UnsetType = UNSET
    """Of older clients; kept as given."""
