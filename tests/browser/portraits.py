"""Drawn people for the fake cameras of the screenshots: Chromium itself draws and compresses them.

Plain areas of colour keep the screenshots small.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Browser

WIDTH, HEIGHT = 1280, 720


class Look(NamedTuple):
    """Colours of a person and of the room behind."""

    wall: str
    wall_dark: str
    skin: str
    hair: str
    clothes: str
    has_long_hair: bool


LOOKS = {
    "Alice": Look("#7fa6b8", "#4d7486", "#e9b796", "#5a3423", "#f1efe6", True),
    "Bob": Look("#c9b18f", "#8f7857", "#8d5a3c", "#20160f", "#2f6f62", False),
    "Carol": Look("#a9a3c4", "#6d668f", "#f0c6a8", "#a8552a", "#7b2f45", True),
    "Dan": Look("#93b08f", "#5c7c5a", "#d6a07a", "#2b2b30", "#33496e", False),
}


BOOKS = ("#c8553d", "#f2d0a9", "#588b8b", "#2f4858", "#f6ae2d")
LONG_FRINGE = "M505 300 Q500 150 640 146 Q780 150 776 300 Q750 215 660 205 Q560 205 505 300Z"
SHORT_FRINGE = "M508 285 Q495 140 640 138 Q790 140 772 285 Q762 225 700 214 Q590 200 540 222 Z"


def _svg(look: Look) -> str:
    hair_back = (
        f'<path d="M470 330 Q470 120 640 120 Q810 120 810 330 L830 560 L450 560 Z" fill="{look.hair}"/>'
        if look.has_long_hair
        else ""
    )
    fringe = LONG_FRINGE if look.has_long_hair else SHORT_FRINGE
    hair_front = f'<path d="{fringe}" fill="{look.hair}"/>'
    books = "".join(
        f'<rect x="{930 + 26 * i}" y="{150 + (i * 37) % 34}" width="22" height="{150 - (i * 37) % 34}" '
        f'rx="3" fill="{BOOKS[i % len(BOOKS)]}"/>'
        for i in range(10)
    )
    return f"""<!doctype html><style>body{{margin:0}}</style>
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 1280 720">
<rect width="1280" height="720" fill="{look.wall}"/>
<rect y="600" width="1280" height="120" fill="{look.wall_dark}"/>
<rect x="90" y="70" width="260" height="330" rx="8" fill="#fff" opacity=".25"/>
<rect x="106" y="86" width="108" height="298" fill="#dff1fb" opacity=".75"/>
<rect x="226" y="86" width="108" height="298" fill="#dff1fb" opacity=".75"/>
{books}<rect x="915" y="300" width="290" height="14" rx="3" fill="#5b4636"/>
<g transform="translate(150 470)"><path d="M40 130 L110 130 L100 230 L50 230Z" fill="#b5583f"/>
<path d="M75 135 Q20 60 10 -10 Q70 40 78 130 Q80 30 140 -20 Q140 70 80 135" fill="#3f7d4f"/></g>
{hair_back}
<path d="M330 720 Q340 540 540 520 L740 520 Q940 540 950 720Z" fill="{look.clothes}"/>
<path d="M575 440 L705 440 L715 530 Q640 600 565 530Z" fill="{look.skin}"/>
<path d="M575 470 Q640 520 705 470 L708 495 Q640 545 572 495Z" fill="#000" opacity=".12"/>
<ellipse cx="640" cy="330" rx="132" ry="165" fill="{look.skin}"/>
{hair_front}
<circle cx="590" cy="325" r="11" fill="#2a211d"/><circle cx="690" cy="325" r="11" fill="#2a211d"/>
<path d="M566 296 Q590 282 614 294M666 294 Q690 282 714 296" stroke="{look.hair}" stroke-width="9"
 fill="none" stroke-linecap="round"/>
<path d="M640 335 Q628 375 648 378" stroke="#000" stroke-opacity=".25" stroke-width="6" fill="none"
 stroke-linecap="round"/>
<path d="M590 420 Q640 462 690 420 Q640 436 590 420Z" fill="#fff"/>
<path d="M586 418 Q640 468 694 418" stroke="#8c4a3c" stroke-width="7" fill="none" stroke-linecap="round"/>
</svg>"""


async def draw(browser: Browser, name: str, folder: Path) -> Path:
    """A Motion JPEG file of somebody, for `--use-file-for-fake-video-capture`."""
    page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    await page.set_content(_svg(LOOKS[name]))
    picture = await page.screenshot(type="jpeg", quality=90)
    await page.close()
    path = folder / f"{name}.mjpeg"
    path.write_bytes(picture * 10)
    return path
