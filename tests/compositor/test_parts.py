"""Plans, time, names and who is talking."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parley.base.errors import Invalid
from parley.compositor import fonts, plan, tiles
from parley.compositor.audio import Samples
from parley.compositor.plan import Canvas
from parley.compositor.speaking import SpeakerFinder, level_db
from parley.compositor.timeline import Timeline

OUTPUT = '{"path": "a.mp4", "container": "mp4", "video": "h264"}'


def test_plan_survives_writing_and_reading() -> None:
    document = (
        b'{"spans":[[1,2],[3,4]],"tracks":[{"peer_id":"a","source":"camera","path":"/x/a.mjr","muted":[[1,2]]}],'
        b'"people":[{"peer_id":"a","picture":null,"present":[[1,4]]}],"pins":[{"at":1,"peer_id":null}],'
        b'"watermark":{"path":"w.png","position":"right bottom"},"outputs":[' + OUTPUT.encode() + b"]}"
    )
    found = plan.read(document)
    assert found.tracks[0].path == Path("/x/a.mjr")
    assert plan.write(plan.read(plan.write(found))) == plan.write(found)
    assert plan.read(plan.write(found)).tracks == found.tracks


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"spans": [], "outputs": [' + OUTPUT + "]}",
        '{"spans": [[0, 1]], "outputs": []}',
        '{"spans": [[0, 1]], "outputs": [' + OUTPUT + "," + OUTPUT + "]}",
        '{"spans": [[0, 2], [1, 3]], "outputs": [' + OUTPUT + "]}",
        '{"spans": [[0, 1]], "speed": 2, "outputs": [' + OUTPUT + "]}",
        '{"spans": [[0, 1]], "outputs": [{"path": "", "container": "mp3"}]}',
        '{"spans": [[0, 1]], "outputs": [{"path": "a", "container": "mp4"}]}',
        '{"spans": [[0, 1]], "outputs": [{"path": "a", "container": "mp3", "video": "h264"}]}',
        '{"spans": [[0, 1]], "outputs": [{"path": "a", "container": "webm", "video": "h264"}]}',
        '{"spans": [[0, 1]], "canvas": {"width": 4000}, "outputs": [' + OUTPUT + "]}",
        '{"spans": [[0, 1]], "canvas": {"brand": "orange"}, "outputs": [' + OUTPUT + "]}",
    ],
)
def test_plan_that_makes_no_sense_is_refused(document: str) -> None:
    with pytest.raises(Invalid):
        plan.read(document.encode())


def test_pauses_are_cut_out_of_time() -> None:
    timeline = Timeline([(1_000, 2_000), (5_000, 6_500)])
    assert timeline.duration_ms == 2_500
    assert [timeline.wall_ms(ms) for ms in (0, 999, 1_000, 2_499)] == [1_000, 1_999, 5_000, 6_499]
    assert [timeline.media_ms(ms) for ms in (1_000, 2_000, 5_000, 6_499, 6_500)] == [
        0,
        None,
        1_000,
        2_499,
        None,
    ]


def test_samples_are_cut_where_the_recording_was() -> None:
    timeline = Timeline([(1_000, 1_010), (5_000, 5_010)])
    assert list(timeline.pieces(0, 960, 48_000)) == [(1_000, 480), (5_000, 480)]
    assert sum(count for _, count in timeline.pieces(0, 1_000, 48_000)) == 1_000


def test_spans_that_end_between_samples_lose_none() -> None:
    timeline = Timeline([(n * 7, n * 7 + 3) for n in range(50)])
    pieces = list(timeline.pieces(0, 150 * 44_100 // 1000, 44_100))
    assert sum(count for _, count in pieces) == 150 * 44_100 // 1000
    assert all(count > 0 for _, count in pieces)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Ana Lima", "AL"),
        ("ben", "B"),
        ("Ana Maria de la Cruz", "AC"),
        ("", "G"),
        ("  ", "?"),
        ("(hi) 5", "H5"),
        ("é", "É"),
    ],
)
def test_initials(name: str, wanted: str) -> None:
    assert tiles.initials(name) == wanted


@pytest.mark.parametrize(
    "name", ["Ana", "", "\u202eAna\x00", "x" * 5_000, "名前", "😀", "A\u0301na Nováková"]
)
@pytest.mark.parametrize("widest", [24, 300])
def test_name_fits_whatever_it_is(name: str, widest: int) -> None:
    tag = tiles.name_tag(name, is_muted=True, tile_height=200, widest=widest, canvas=Canvas())
    assert tag.shape[2] == 4
    assert tag.shape[1] <= max(widest, 48)
    assert tag[..., 3].max() > 100


def test_letters_that_no_font_has_are_left_out() -> None:
    assert fonts.line("Ana \U0010fffe\ue000", 16).text == "Ana"


@pytest.mark.parametrize("name", ["Dora Novák", "Łukasz Wałęsa", "Иван Ана", "Γιώργος Lee", "A\u0301na"])
def test_names_in_european_letters_look_alike(name: str) -> None:
    families = {font.getname()[0] for font, _ in fonts.line(name, 16)._runs}
    assert families == {"Inter"}
    assert fonts.line(name, 16).text == unicodedata.normalize("NFC", name)


def test_image_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (9_000, 9_000)).save(path)
    assert tiles.load(path) is None


def test_watermark_has_the_wanted_size_but_stays_in_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    Image.new("RGBA", (100, 50), "white").save(path)
    canvas = Canvas(width=320, height=180)

    def size(width: int | None, height: int | None) -> tuple[int, int]:
        made = tiles.watermark(path, width, height, canvas)
        assert made is not None
        return made.shape[1], made.shape[0]

    assert size(None, None) == (100, 50)
    assert size(40, None) == (40, 20)
    assert size(None, 10) == (20, 10)
    assert size(30, 30) == (30, 30)
    assert size(6_400, 100) == (320, 5)


def noise(amplitude: float) -> Samples:
    return np.random.default_rng(1).normal(0, amplitude * 32767, (1_600, 2)).astype(np.int16)


def hear(finder: SpeakerFinder, seconds: float, **amplitudes: float) -> str | None:
    levels = {name: level_db(noise(amplitude)) for name, amplitude in amplitudes.items()}
    for _ in range(round(seconds * 30)):
        finder.hear(levels, 1000 / 30)
    return finder.talking


def test_level_is_measured_against_full_scale() -> None:
    assert level_db(np.zeros((100, 2), np.int16)) == -100
    assert level_db(np.full((100, 2), -32768, np.int16)) == pytest.approx(0, abs=0.1)
    assert level_db(np.zeros((0, 2), np.int16)) == -100


def test_speaker_is_who_can_be_heard() -> None:
    finder = SpeakerFinder()
    assert hear(finder, 1, ana=0.0001) is None
    assert hear(finder, 1, ana=0.05, ben=0.0001) == "ana"


def test_word_goes_over_after_silence_or_to_who_is_louder_for_a_while() -> None:
    finder = SpeakerFinder()
    hear(finder, 2, ana=0.05)
    assert hear(finder, 2, ana=0.05, ben=0.06) == "ana"
    assert hear(finder, 1, ana=0.01, ben=0.2) == "ben"
    assert hear(finder, 0.5, ana=0.3, ben=0.05) == "ben"
    assert hear(finder, 1.5, ana=0.3, ben=0.05) == "ana"


def test_last_speaker_stays_active_in_silence_but_does_not_talk() -> None:
    finder = SpeakerFinder()
    hear(finder, 1, ana=0.1)
    assert hear(finder, 3) is None
    assert finder.active == "ana"
