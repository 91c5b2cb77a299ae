"""Where tiles go."""

from __future__ import annotations

import itertools

import pytest

from parley.compositor.layout import MOST_TILES, Rect, arrange, fit, gap

CANVASES = [(1280, 720), (1920, 1080), (720, 1280), (320, 180), (640, 480), (64, 64), (1920, 64), (64, 1920)]


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("size", CANVASES)
@pytest.mark.parametrize("large", [0, 1, 2])
def test_tiles_are_even_within_the_picture_and_apart(size: tuple[int, int], large: int) -> None:
    for people in range(MOST_TILES + 3):
        found = arrange(*size, large=large, people=people)
        rects = [*found.large, *found.tiles]
        assert len(found.large) == large
        assert bool(found.tiles) == bool(people)
        for rect in rects:
            assert all(value % 2 == 0 for value in rect)
            assert min(rect.x, rect.y) >= gap(*size)
            assert rect.x + rect.width <= size[0] - gap(*size)
            assert rect.y + rect.height <= size[1] - gap(*size)
            assert min(rect.width, rect.height) >= 2
        assert not any(overlap(a, b) for a, b in itertools.combinations(rects, 2))


@pytest.mark.parametrize("size", [(2, 2), (1920, 2), (62, 300)])
@pytest.mark.parametrize("large", [0, 1, 2])
def test_tiny_picture_is_one_tile(size: tuple[int, int], large: int) -> None:
    found = arrange(*size, large=large, people=3)
    assert [*found.large, *found.tiles] == [Rect(0, 0, *size)]


@pytest.mark.parametrize(
    ("people", "rows"), [(1, [1]), (2, [2]), (3, [2, 1]), (4, [2, 2]), (5, [3, 2]), (6, [3, 3])]
)
def test_rows_of_a_grid(people: int, rows: list[int]) -> None:
    tiles = arrange(1280, 720, large=0, people=people).tiles
    assert [len(list(row)) for _, row in itertools.groupby(tiles, key=lambda tile: tile.y)] == rows


def test_portrait_picture_has_people_one_below_the_other() -> None:
    tiles = arrange(720, 1280, large=0, people=3).tiles
    assert len({tile.x for tile in tiles}) == 1


def test_what_is_large_has_most_of_the_picture() -> None:
    for size in ((1280, 720), (720, 1280)):
        found = arrange(*size, large=1, people=4)
        assert found.large[0].width * found.large[0].height > 0.6 * size[0] * size[1]


@pytest.mark.parametrize(
    "source", [(640, 480), (1280, 720), (720, 1280), (100, 100), (2, 2), (1921, 3), (3, 1080)]
)
@pytest.mark.parametrize("cover", [True, False])
def test_fitted_pictures_keep_their_proportions_and_their_cell(source: tuple[int, int], cover: bool) -> None:
    cell = Rect(12, 14, 608, 342)
    used, place = fit(source, cell, cover=cover)
    assert (used.width, used.height) == (place.width, place.height)
    assert all(value % 2 == 0 for value in (*used, *place))
    assert place.x >= cell.x
    assert place.y >= cell.y
    assert place.x + place.width <= cell.x + cell.width
    assert place.y + place.height <= cell.y + cell.height
    whole = used.width + 2 * used.x, used.height + 2 * used.y
    if min(source) > 10:
        assert whole[0] / whole[1] == pytest.approx(source[0] / source[1], rel=0.02)


def test_usual_camera_fills_its_tile_and_a_phone_is_shown_whole() -> None:
    cell = Rect(0, 0, 608, 342)
    assert fit((640, 480), cell, cover=True)[1] == cell
    assert fit((640, 480), cell, cover=False)[1].width < cell.width
    assert fit((720, 1280), cell, cover=True)[1].width < cell.width
