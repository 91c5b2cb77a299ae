"""Files of Janus, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parley.compositor.mjr import MjrFile, UnreadableTrack
from tests.compositor.recorded import START_MS, MjrWriter, rtp_packet

PACKETS = [rtp_packet(number, 960 * number, bytes([number]) * 50) for number in range(4)]


@pytest.fixture
def track(tmp_path: Path) -> Path:
    path = tmp_path / "track.mjr"
    with MjrWriter(path, "a", "opus", START_MS, x={"3": "urn:3gpp:video-orientation"}) as writer:
        for number, packet in enumerate(PACKETS):
            writer.write(START_MS + 20 * number, packet)
    return path


def packets(path: Path) -> list[bytes]:
    with MjrFile(path) as file:
        return [record.packet for record in file.records()]


def test_packets_come_with_the_wall_clock_of_their_arrival(track: Path) -> None:
    with MjrFile(track) as file:
        assert [record.arrived_ms - START_MS for record in file.records()] == [0, 20, 40, 60]
    assert packets(track) == PACKETS


def test_header_tells_codec_and_header_extensions(track: Path) -> None:
    with MjrFile(track) as file:
        assert file.codec == "opus"
        assert file.extension("urn:3gpp:video-orientation") == 3
        assert file.extension("urn:other") is None


def test_file_that_is_cut_off_anywhere_keeps_what_came_before(track: Path) -> None:
    whole = track.read_bytes()
    counts = []
    for length in range(len(whole)):
        track.write_bytes(whole[:length])
        try:
            found = packets(track)
        except UnreadableTrack:
            found = []
        assert found == PACKETS[: len(found)]
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] == 3


def test_damaged_stretch_is_passed_over(track: Path) -> None:
    content = track.read_bytes()
    second = content.index(b"MEET", content.index(b"MEET") + 1)
    track.write_bytes(content[:second] + bytes(50) + content[second + 50 :])
    assert packets(track) == [PACKETS[0], *PACKETS[2:]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MJR00002",
        b"MJR00002\x00\x05{}",
        b"MJR00002\x00\x02{}",
        b"RIFF" * 20,
        b"MJR00002\xff\xff" + b"x" * 9,
    ],
)
def test_what_is_no_track_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "track.mjr"
    path.write_bytes(content)
    with pytest.raises(UnreadableTrack):
        MjrFile(path)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_absent_file_and_folder_say_so(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "track.mjr")
    with pytest.raises(UnreadableTrack):
        MjrFile(tmp_path / "track.mjr")


def test_encrypted_track_is_not_played(tmp_path: Path) -> None:
    path = tmp_path / "track.mjr"
    with MjrWriter(path, "a", "opus", START_MS, e=True) as writer:
        writer.write(START_MS, PACKETS[0])
    with pytest.raises(UnreadableTrack, match="encrypted"):
        MjrFile(path)
