"""What is to be seen when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from parley.compositor.layout import Rect, arrange, fit
from parley.compositor.plan import Canvas, Person, Pin, Position, Track, Watermark
from parley.compositor.video import FREEZE_MS
from tests.compositor import recorded
from tests.compositor.composed import (
    CANVAS,
    TILE,
    at,
    camera_of,
    colour,
    compose,
    grid,
    is_like,
    person,
    pictures,
    plan,
)
from tests.compositor.recorded import BLUE, GREEN, RED, WHITE, YELLOW, Sent

FPS = CANVAS.fps
Write = Callable[[str], Path]


def seen(wanted: object) -> np.ndarray:
    result = compose(wanted)  # type: ignore[arg-type]
    return pictures(result.outputs[0].path)


def test_everybody_has_a_tile_with_their_picture(tmp_path: Path, camera: Write) -> None:
    names = ["ana", "ben", "chen", "dora"]
    shown = seen(
        plan(
            tmp_path, 1.5, people=[person(n) for n in names], tracks=[camera_of(n, camera(n)) for n in names]
        )
    )
    assert len(shown) == 23  # the last one begins half a picture before the end
    for picture in shown[2:]:
        found = [colour(picture, rect) for rect in grid(4)]
        assert all(
            is_like(one, wanted) for one, wanted in zip(found, (RED, GREEN, BLUE, YELLOW), strict=True)
        )


def test_tiles_move_when_people_come_and_go(tmp_path: Path, camera: Write) -> None:
    shown = seen(
        plan(
            tmp_path,
            3,
            people=[person("ana"), person("ben", 1, 2)],
            tracks=[camera_of("ana", camera("ana")), camera_of("ben", camera("ben"))],
        )
    )
    (alone,), (left, right) = grid(1), grid(2)
    assert is_like(colour(shown[FPS // 2], alone), RED)
    assert is_like(colour(shown[FPS + FPS // 2], left), RED)
    assert is_like(colour(shown[FPS + FPS // 2], right), GREEN)
    assert is_like(colour(shown[2 * FPS + FPS // 2], alone), RED)


def test_camera_that_is_off_is_an_avatar(tmp_path: Path, cameras: dict[str, list[Sent]]) -> None:
    """Before the first key frame, and after the last packet."""
    started = recorded.START_MS + 1_000
    path = recorded.write_track(
        tmp_path / "track.mjr", "vp8", [one for one in cameras["ana"] if one.captured_ms < started]
    )
    late = recorded.write_track(tmp_path / "late.mjr", "vp8", cameras["ben"], lost=lambda place: place < 5)
    shown = seen(
        plan(
            tmp_path,
            2.9,
            people=[person("ana"), person("ben")],
            tracks=[camera_of("ana", path), camera_of("ben", late)],
        )
    )
    left, right = grid(2)
    assert is_like(colour(shown[FPS // 2], left), RED)
    assert is_like(colour(shown[2 * FPS], left), TILE)
    assert is_like(colour(shown[FPS], right), TILE)
    assert is_like(colour(shown[int(2.5 * FPS)], right), GREEN)


def test_picture_freezes_for_a_moment_when_packets_are_missing(tmp_path: Path) -> None:
    sent = recorded.camera(5, RED, fps=10, key_every=50)
    lost = {place for place, one in enumerate(sent) if 1_000 <= one.captured_ms - recorded.START_MS < 4_800}
    path = recorded.write_track(tmp_path / "track.mjr", "vp8", sent, lost=lost.__contains__)
    shown = seen(plan(tmp_path, 4.5, people=[person("ana")], tracks=[camera_of("ana", path)]))
    (tile,) = grid(1)
    frozen_until = 1 + FREEZE_MS / 1000
    assert is_like(colour(shown[int((frozen_until - 0.4) * FPS)], tile), RED)
    assert is_like(colour(shown[int((frozen_until + 0.4) * FPS)], tile), TILE)


def test_size_may_change_in_the_middle_of_a_track(tmp_path: Path) -> None:
    def picture(at_s: float) -> np.ndarray:
        return recorded.plain(RED, (160, 120)) if at_s < 1 else recorded.plain(GREEN, (320, 240))

    sent = recorded.camera(2, picture, key_every=15)
    path = recorded.write_track(tmp_path / "track.mjr", "vp8", sent)
    shown = seen(plan(tmp_path, 1.9, people=[person("ana")], tracks=[camera_of("ana", path)]))
    assert is_like(colour(shown[FPS // 2], grid(1)[0]), RED)
    assert is_like(colour(shown[FPS + FPS // 2], grid(1)[0]), GREEN)


def test_phone_that_is_turned_stands_upright(tmp_path: Path) -> None:
    """A quarter turn: what was sent on the left is to be seen on top."""

    def picture(_: float) -> np.ndarray:
        pixels = recorded.plain(BLUE, (160, 90))
        pixels[:, :80] = RED
        return pixels

    uri = "urn:3gpp:video-orientation"
    sent = recorded.camera(1, picture, extension=b"\x30\x01\x00\x00")
    path = recorded.write_track(tmp_path / "track.mjr", "vp8", sent, x={"3": uri})
    shown = seen(plan(tmp_path, 0.9, people=[person("ana")], tracks=[camera_of("ana", path)]))
    _, place = fit((90, 160), grid(1)[0], cover=True)
    half = place.height // 2
    picture_shown = shown[FPS // 2]
    assert is_like(colour(picture_shown, place._replace(height=half)), RED)
    assert is_like(colour(picture_shown, place._replace(y=place.y + half, height=half)), BLUE)


def test_shared_screen_is_large_and_stays_while_nothing_moves(tmp_path: Path, camera: Write) -> None:
    sent = recorded.camera(0.5, WHITE, size=(320, 180))
    path = recorded.write_track(tmp_path / "screen.mjr", "vp8", sent)
    screen = Track(peer_id="ben", source="screen", path=path, ended_at=at(2.8))
    shown = seen(
        plan(
            tmp_path,
            3,
            canvas=Canvas(width=640, height=360, fps=FPS),
            people=[person("ana"), person("ben")],
            tracks=[camera_of("ana", camera("ana")), screen],
        )
    )
    places = arrange(640, 360, large=1, people=2)
    for second in (0.5, 2.7):
        picture = shown[int(second * FPS)]
        assert is_like(colour(picture, places.large[0]), WHITE)
        assert is_like(colour(picture, places.tiles[0]), RED)
        assert is_like(colour(picture, places.tiles[1]), TILE)
    left, _ = arrange(640, 360, large=0, people=2).tiles
    assert is_like(colour(shown[int(2.95 * FPS)], left), RED)


def test_pinned_person_is_large(tmp_path: Path, camera: Write) -> None:
    names = ["ana", "ben", "chen"]
    shown = seen(
        plan(
            tmp_path,
            2,
            people=[person(n) for n in names],
            tracks=[camera_of(n, camera(n)) for n in names],
            pins=[Pin(at=at(1), peer_id="chen"), Pin(at=at(1.6), peer_id=None)],
        )
    )
    places = arrange(CANVAS.width, CANVAS.height, large=1, people=2)
    pinned = shown[int(1.3 * FPS)]
    assert is_like(colour(shown[FPS // 2], grid(3)[0]), RED)
    assert is_like(colour(pinned, places.large[0]), BLUE)
    assert [
        is_like(colour(pinned, tile), wanted) for tile, wanted in zip(places.tiles, (RED, GREEN), strict=True)
    ]
    assert is_like(colour(shown[int(1.8 * FPS)], grid(3)[2]), BLUE)


def test_who_talks_is_marked(tmp_path: Path, camera: Write, microphone: Write) -> None:
    tracks = [camera_of("ana", camera("ana")), camera_of("ben", camera("ben"))]
    tracks.append(Track(peer_id="ben", source="microphone", path=microphone("ben")))
    shown = seen(plan(tmp_path, 1.5, people=[person("ana"), person("ben")], tracks=tracks))
    background, brand = (20, 20, 20), (181, 105, 39)

    def edge(rect: Rect) -> tuple[int, int, int]:
        red, green, blue = shown[FPS][rect.y + rect.height // 2, rect.x - 2]
        return int(red), int(green), int(blue)

    left, right = grid(2)
    assert is_like(edge(left), background, within=40)
    assert is_like(edge(right), brand, within=60)


def test_speaker_has_a_place_where_there_is_none_for_all(
    tmp_path: Path, camera: Write, microphone: Write
) -> None:
    people = [person(f"silent-{number}") for number in range(30)]
    tracks = [
        camera_of("ana", camera("ana")),
        Track(peer_id="ana", source="microphone", path=microphone("ana")),
    ]
    shown = seen(plan(tmp_path, 1, people=[*people, person("ana")], tracks=tracks))
    last = grid(25)[-1]
    assert is_like(colour(shown[FPS // 2], last), RED)


def test_watermark_is_in_its_corner_with_its_size(tmp_path: Path, camera: Write) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGBA", (40, 20), (0, 0, 255, 255)).save(logo)
    corners: tuple[tuple[Position, int, int], ...] = (
        ("left top", 0, 0),
        ("right top", 1, 0),
        ("left bottom", 0, 1),
        ("right bottom", 1, 1),
    )
    for position, x, y in corners:
        shown = seen(
            plan(
                tmp_path,
                0.5,
                people=[person("ana")],
                tracks=[camera_of("ana", camera("ana"))],
                watermark=Watermark(path=logo, width=80, height=40, position=position),
            )
        )[-1].astype(int)
        blue = (shown[..., 2] > 150) & (shown[..., 0] < 90)
        rows, columns = np.nonzero(blue)
        assert abs(columns.max() - columns.min() + 1 - 80) <= 4
        assert abs(rows.max() - rows.min() + 1 - 40) <= 4
        assert (columns.mean() > 160, rows.mean() > 90) == (bool(x), bool(y))


def test_half_transparent_watermark_does_not_get_denser(tmp_path: Path, camera: Write) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGBA", (320, 180), (255, 255, 255, 40)).save(logo)
    shown = seen(
        plan(
            tmp_path,
            2,
            people=[person("ana"), person("ben")],
            tracks=[camera_of("ana", camera("ana"))],
            watermark=Watermark(path=logo),
        )
    )
    for rect in grid(2):
        first, last = colour(shown[5], rect), colour(shown[-1], rect)
        assert is_like(last, first, within=8)


def test_picture_of_a_person_is_their_avatar(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (50, 50), (10, 200, 10)).save(photo)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    people = [
        Person(peer_id="ana", picture=photo, present=[(at(0), at(9))]),
        Person(peer_id="ben", name="Ben", picture=broken, present=[(at(0), at(9))]),
        Person(peer_id="chen", picture=tmp_path / "absent.png", present=[(at(0), at(9))]),
    ]
    shown = seen(plan(tmp_path, 0.3, people=people))[-1]

    def centre(rect: Rect) -> tuple[int, int, int]:
        x, y = rect.x + rect.width // 2 - round(rect.height * 0.15), rect.y + rect.height // 2
        red, green, blue = shown[y - 1 : y + 1, x - 1 : x + 1].mean(axis=(0, 1))
        return round(red), round(green), round(blue)

    found = [centre(rect) for rect in grid(3)]
    assert is_like(found[0], (10, 200, 10))
    assert is_like(found[1], (181, 105, 39))
    assert is_like(found[2], (181, 105, 39))
