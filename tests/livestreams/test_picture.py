"""The live picture, from packets; what it shares with recordings is tested in `tests/compositor`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from PIL import Image

from parley.compositor.blending import planes_of
from parley.compositor.layout import arrange, fit
from parley.compositor.painter import Painter
from parley.compositor.plan import Canvas, Person
from parley.compositor.rtp import parse
from parley.livestreams.encoder import orders as o
from parley.livestreams.encoder.pictures import Pictures
from parley.livestreams.encoder.stage import LiveStage
from tests.compositor import recorded

CANVAS = Canvas(width=320, height=180, fps=15)
CAMERA = 1001
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def bright(painted: np.ndarray) -> float:
    """How much of a part of the picture is bright, 0 to 1."""
    return float((painted > 180).mean())


def test_a_phone_that_is_turned_stands_upright() -> None:
    """A quarter turn: what was sent on the left is to be seen on top."""

    def picture(_: float) -> np.ndarray:
        pixels = recorded.plain(BLACK, (160, 90))
        pixels[:, :80] = WHITE
        return pixels

    stage = LiveStage(CANVAS)
    stage.set(o.Scene([o.Face("ana", "Ana", [o.Feed(CAMERA, "camera", orientation=3)])]))
    for sent in recorded.camera(0.6, picture, ssrc=CAMERA, extension=b"\x30\x01\x00\x00"):
        packet = parse(sent.packet)
        assert packet is not None
        stage.push(sent.captured_ms, packet)
    tiles = stage.tiles(recorded.START_MS + 500)
    luma, _, _ = planes_of(Painter(CANVAS).paint(tiles))
    (tile,) = arrange(CANVAS.width, CANVAS.height, large=0, people=1).tiles
    _, place = fit((90, 160), tile, cover=True)
    shown = luma[place.y : place.y + place.height, place.x : place.x + place.width]
    middle = shown[:, shown.shape[1] // 3 : -shown.shape[1] // 3]
    assert bright(middle[: place.height // 2 - 4]) > 0.95
    assert bright(middle[place.height // 2 + 4 : -30]) < 0.05


def test_an_avatar_is_made_small_and_what_is_none_leaves_the_initials(tmp_path: Path) -> None:
    picture, broken = tmp_path / "ana", tmp_path / "ben"
    Image.new("RGB", (1400, 900), WHITE).save(picture, "PNG")
    broken.write_bytes(b"this is no picture")
    pictures = Pictures()
    assert pictures.small(broken) is None
    assert pictures.small(picture) is None
    end = time.monotonic() + 60
    while (small := pictures.small(picture)) is None:
        assert time.monotonic() < end
        pictures.are_new.wait(0.05)
    with Image.open(small) as made:
        assert max(made.size) == 512
    assert pictures.small(broken) is None

    stage, painter = LiveStage(CANVAS), Painter(CANVAS)
    stage.set(o.Scene([o.Face("ana", "Ana", [])]))
    (tile,) = arrange(CANVAS.width, CANVAS.height, large=0, people=1).tiles
    y, x = tile.y + tile.height // 2, tile.x + tile.width // 2
    before = planes_of(painter.paint(stage.tiles(0)))[0][y - 20 : y + 20, x - 20 : x + 20].copy()
    painter.know([Person(peer_id="ana", name="Ana", picture=small, present=())])
    after = planes_of(painter.paint(stage.tiles(0)))[0][y - 20 : y + 20, x - 20 : x + 20]
    assert bright(before) < 0.6
    assert bright(after) == 1
