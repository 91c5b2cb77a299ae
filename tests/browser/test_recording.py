"""A real meeting is recorded, and what comes out is watched and listened to."""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT, Meeting
from tests.browser.person import Person, everybody_receives

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (20, 170, 40), (40, 60, 220), (235, 215, 20)
TONES = {"Alice": 440, "Bob": 880, "Carol": 1320}
COLOURS = {"Alice": RED, "Bob": GREEN, "Carol": BLUE}
RATE = 48_000
WAIT_S = 120.0
"""Only a failing test waits that long."""

FAKE = """([colour, tone, screen]) => {
  const draw = (width, height, fill) => {
    const canvas = Object.assign(document.createElement('canvas'), {width, height});
    const on = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
      on.fillStyle = fill;
      on.fillRect(0, 0, width, height);
      on.fillStyle = '#ffffff';
      on.fillRect((step += 8) % width, height / 2, width / 16, height / 8);
    }, 66);
    return canvas.captureStream(15);
  };
  const sound = () => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, {frequency: tone});
    const quiet = new GainNode(context, {gain: 0.2});
    const out = new MediaStreamAudioDestinationNode(context, {channelCount: 1});
    oscillator.connect(quiet).connect(out);
    oscillator.start();
    return out.stream;
  };
  const css = ([r, g, b]) => `rgb(${r},${g},${b})`;
  navigator.mediaDevices.getUserMedia = async wanted => new MediaStream([
    ...(wanted.audio ? sound().getTracks() : []),
    ...(wanted.video ? draw(640, 360, css(colour)).getTracks() : []),
  ]);
  navigator.mediaDevices.getDisplayMedia = async () => draw(1280, 720, css(screen));
}"""


async def arrive(stage: Stage, meeting: Meeting, name: str, preset: str) -> Person:
    """Somebody with a colour for a camera and a tone for a microphone."""
    invitation = await stage.customer.invite(meeting, name, preset)
    person = await Person.open(stage.browser, name, f"{stage.site}/v2/?parley={stage.server.url}")
    stage.people.append(person)
    await person.page.evaluate(FAKE, [COLOURS[name], TONES[name], YELLOW])
    await person.enter(invitation.token, urlsplit(stage.server.url).netloc)
    await person.join()
    return person


class Recorder:
    """One recording over REST, with a clock of what was recorded when."""

    def __init__(self, http: httpx.AsyncClient, recording_id: str) -> None:
        self._http = http
        self._path = f"/recordings/{recording_id}"
        self._recorded_s = 0.0
        self._since: float | None = None

    @classmethod
    async def start(cls, http: httpx.AsyncClient, meeting: Meeting, **body: Any) -> Recorder:
        """Ask, and wait until it runs."""
        asked = await http.post("/recordings", json={"meeting_id": meeting.id, **body})
        assert asked.status_code == 200, asked.text
        recorder = cls(http, asked.json()["data"]["id"])
        await recorder.until("RECORDING")
        recorder._since = time.monotonic()
        return recorder

    @property
    def now_s(self) -> float:
        """Where in the recording this moment is."""
        return self._recorded_s + (0.0 if self._since is None else time.monotonic() - self._since)

    async def get(self) -> dict[str, Any]:
        """How it stands."""
        return (await self._http.get(self._path)).json()["data"]

    async def act(self, action: str) -> None:
        """Pause, resume, stop."""
        found = await self._http.put(self._path, json={"action": action})
        assert found.status_code == 200, found.text
        if action == "resume":
            self._since = time.monotonic()
        else:
            self._recorded_s, self._since = self.now_s, None

    async def until(self, status: str) -> dict[str, Any]:
        """Wait for a status."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = await self.get()
            if found["status"] == status:
                return found
            assert found["status"] != "ERRORED", found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)

    async def download(self, url: str) -> bytes:
        """A finished file."""
        found = await self._http.get(url)
        assert found.status_code == 200
        assert found.headers["content-disposition"].startswith("attachment")
        return found.content


class Film:
    """Every frame and every sample of a file."""

    def __init__(self, content: bytes) -> None:
        with av.open(io.BytesIO(content)) as file:
            self.codecs = [stream.codec_context.name for stream in file.streams]
            self.frames = [
                (float(frame.time), frame.to_ndarray(format="rgb24")[::4, ::4].astype(np.int16))
                for frame in file.decode(video=0)
            ]
        with av.open(io.BytesIO(content)) as file:
            plain = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            pieces = [
                piece.to_ndarray()[0] for frame in file.decode(audio=0) for piece in plain.resample(frame)
            ]
        self.sound: NDArray[np.float32] = np.concatenate(pieces)
        self.length_s = self.frames[-1][0] + 1 / 30

    def share(self, at_s: float, colour: tuple[int, int, int]) -> float:
        """How much of the picture has a colour."""
        return float(self._shown(self._frame(at_s), colour).mean())

    def moves(self, at_s: float, colour: tuple[int, int, int]) -> bool:
        """Whether something moves over that colour within a second."""
        first = self._shown(self._frame(at_s), colour)
        return any(
            (self._shown(self._frame(at_s + 0.2 * n), colour) != first).mean() > 1e-4 for n in (1, 2, 3)
        )

    def hears(self, at_s: float, tone: int) -> bool:
        """Whether a tone stands out around a moment."""
        piece = self.sound[round((at_s - 0.25) * RATE) : round((at_s + 0.25) * RATE)]
        power = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
        bins = np.fft.rfftfreq(len(piece), 1 / RATE)
        at = power[np.abs(bins - tone) < 12].max()
        beside = power[(np.abs(bins - tone) > 60) & (np.abs(bins - tone) < 160)].max()
        return bool(at > 8 * beside and at > 20)

    def _frame(self, at_s: float) -> NDArray[np.int16]:
        return min(self.frames, key=lambda frame: abs(frame[0] - at_s))[1]

    def _shown(self, frame: NDArray[np.int16], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
        return np.abs(frame - np.array(colour, np.int16)).max(axis=2) < 45


@pytest.mark.faults
async def test_a_meeting_with_a_shared_screen_a_pause_and_a_dead_server(own_stage: Stage) -> None:
    stage = own_stage
    meeting = await stage.meeting("Recorded")
    alice = await arrive(stage, meeting, "Alice", HOST)
    bob, carol = [await arrive(stage, meeting, name, PARTICIPANT) for name in ("Bob", "Carol")]
    await everybody_receives(alice, bob, carol)
    async with httpx.AsyncClient(
        base_url=stage.customer.address(stage.server.url),
        headers={"Authorization": f"Bearer {stage.server.api_token}"},
        timeout=60,
    ) as http:
        recorder = await Recorder.start(http, meeting)
        await alice.until("meeting.recording.recordingState === 'RECORDING'")
        await asyncio.sleep(2)
        together = recorder.now_s

        await asyncio.sleep(1.5)
        await alice.do("meeting.self.enableScreenShare()")
        await bob.until("person('Alice').screenShareEnabled")
        await asyncio.sleep(2)
        shared = recorder.now_s
        await asyncio.sleep(1)
        await alice.do("meeting.self.disableScreenShare()")

        await recorder.act("pause")
        await alice.until("meeting.recording.recordingState === 'PAUSED'")
        await asyncio.sleep(2)
        await bob.do("meeting.self.disableAudio()")
        await recorder.act("resume")
        await asyncio.sleep(2.5)
        muted = recorder.now_s
        await asyncio.sleep(1)
        await bob.do("meeting.self.enableAudio()")

        await stage.server.kill()
        await stage.server.start()
        for person in (alice, bob, carol):
            await person.until("happened('roomJoined').some(each => each.reconnected)", timeout_s=60)
        await everybody_receives(alice, bob, carol)
        await asyncio.sleep(3)
        again = recorder.now_s
        await asyncio.sleep(1)
        await recorder.act("stop")
        expected_s = recorder.now_s
        done = await recorder.until("UPLOADED")
        film = Film(await recorder.download(done["download_url"]))
        sound = await recorder.download(done["audio_download_url"])

    assert film.codecs == ["h264", "aac"]
    assert film.length_s == pytest.approx(expected_s, abs=0.5)
    assert done["recording_duration"] == pytest.approx(expected_s, abs=1)
    for name, colour in COLOURS.items():
        for at_s in (together, again):
            assert film.share(at_s, colour) > 0.1, (name, at_s)
            assert film.moves(at_s, colour), (name, at_s)
            assert film.hears(at_s, TONES[name]), (name, at_s)
    assert film.share(shared, YELLOW) > 0.3
    assert film.moves(shared, YELLOW)
    assert film.share(together, YELLOW) < 0.01
    assert [film.hears(muted, TONES[name]) for name in COLOURS] == [True, False, True]
    with av.open(io.BytesIO(sound)) as file:
        assert file.duration / av.time_base == pytest.approx(expected_s, abs=0.5)
