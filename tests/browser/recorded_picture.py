"""A picture of a composed recording for the documentation: three drawn people, one without a camera, and a
slide."""

from __future__ import annotations

import asyncio
import io
from functools import partial
from pathlib import Path

import av
import numpy as np
from PIL import Image
from playwright.async_api import Browser

from parley.compositor.plan import Canvas, Track
from tests.browser.portraits import draw
from tests.compositor import recorded
from tests.compositor.composed import camera_of, compose, microphone_of, person, pictures, plan

PEOPLE = ("Alice", "Bob", "Carol")
SECONDS = 1.5
SLIDE = """<!doctype html><style>
body { margin: 0; padding: 64px 80px; background: #fdfcfa; color: #23262d; font: 30px sans-serif }
h1 { font-size: 58px; margin: 0 0 44px }
p { display: flex; align-items: center; margin: 26px 0 }
b { width: 190px; font-weight: normal; color: #5c616b }
i { height: 54px; border-radius: 8px; background: #b56927 }
</style><h1>Visitors by season</h1>
<p><b>Spring</b><i style="width: 520px"></i><p><b>Summer</b><i style="width: 840px"></i>
<p><b>Autumn</b><i style="width: 610px"></i><p><b>Winter</b><i style="width: 330px"></i>"""


async def take(browser: Browser, folder: Path) -> Image.Image:
    """Record them and take one picture out of the file."""
    faces = {name: await draw(browser, name, folder) for name in PEOPLE}
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    await page.set_content(SLIDE)
    slide = np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB"))
    await page.close()
    return await asyncio.to_thread(_composed, folder, faces, slide)


def _still(picture: np.ndarray, _: float) -> np.ndarray:
    return picture


def _composed(folder: Path, faces: dict[str, Path], slide: np.ndarray) -> Image.Image:
    tracks = []
    for name, film in faces.items():
        with av.open(str(film)) as container:
            face = next(container.decode(video=0)).to_ndarray(format="rgb24", width=640, height=360)
        sent = recorded.camera(SECONDS, partial(_still, face), fps=10)
        tracks.append(camera_of(name, recorded.write_track(folder / f"{name}.mjr", "vp8", sent)))
    shown = recorded.camera(SECONDS, partial(_still, slide), fps=5)
    path = recorded.write_track(folder / "slide.mjr", "vp8", shown)
    tracks.append(Track(peer_id="Bob", source="screen", path=path))
    for name in ("Bob", "Carol", "Dan"):
        sound = recorded.microphone(SECONDS, 300.0 if name == "Carol" else 0.0)
        tracks.append(microphone_of(name, recorded.write_track(folder / f"{name}.opus", "opus", sound)))
    made = compose(
        plan(
            folder,
            SECONDS - 0.2,
            canvas=Canvas(),
            people=[person(name) for name in (*PEOPLE, "Dan")],
            tracks=tracks,
        )
    )
    return Image.fromarray(pictures(made.outputs[0].path)[-1])
