"""Which simulcast layer a viewer gets for what it asks for."""

from __future__ import annotations

from parley.media.ports import Layer
from parley.meetings.live.pictures import Pictures

Q, H, F = Layer.QUARTER, Layer.HALF, Layer.FULL


def cameras(count: int) -> Pictures:
    pictures = Pictures()
    for number in range(2, 2 + count):
        pictures.added(str(number), f"camera {number}")
    return pictures


def asks(pictures: Pictures, **layers: Layer) -> dict[str, Layer]:
    """What is sent in another size after a request; `m2` is the media section "2"."""
    pictures.ask({name[1:]: layer for name, layer in layers.items()})
    due = pictures.due()
    for mid, layer in due.items():
        pictures.sent(mid, layer)
    assert pictures.due() == {}
    return due


def test_a_small_tile_gets_the_quarter() -> None:
    assert asks(cameras(2), m2=Q) == {"2": Q}


def test_the_only_picture_comes_full_when_its_tile_has_grown() -> None:
    pictures = cameras(1)
    assert asks(pictures, m2=Q) == {"2": Q}
    assert asks(pictures, m2=H) == {"2": F}


def test_one_large_picture_above_a_strip_of_small_ones_comes_full() -> None:
    pictures = cameras(3)
    assert asks(pictures, m2=Q, m3=Q, m4=Q) == {"2": Q, "3": Q, "4": Q}
    assert asks(pictures, m3=H) == {"3": F}


def test_pictures_that_share_the_screen_come_in_half() -> None:
    pictures = cameras(2)
    asks(pictures, m2=Q, m3=Q)
    assert asks(pictures, m2=H, m3=H) == {"2": H, "3": H}


def test_the_full_picture_makes_room_when_another_grows_and_takes_it_again() -> None:
    pictures = cameras(2)
    asks(pictures, m2=Q, m3=Q)
    assert asks(pictures, m2=H) == {"2": F}
    assert asks(pictures, m3=H) == {"2": H, "3": H}
    assert asks(pictures, m3=Q) == {"2": F, "3": Q}


def test_a_picture_that_ends_leaves_its_room_to_the_one_that_stays() -> None:
    pictures = cameras(2)
    asks(pictures, m2=Q, m3=Q)
    asks(pictures, m2=H, m3=H)
    pictures.removed(["3"])
    assert asks(pictures) == {"2": F}


def test_another_camera_in_a_section_used_before_begins_full() -> None:
    pictures = cameras(2)
    asks(pictures, m2=Q, m3=Q)
    pictures.added("3", "camera 3")
    assert asks(pictures) == {}
    pictures.removed(["3"])
    pictures.added("3", "another camera")
    assert asks(pictures) == {}
    assert asks(pictures, m3=Q) == {"3": Q}


def test_sections_without_a_camera_are_ignored() -> None:
    assert asks(cameras(1), m7=Q) == {}
