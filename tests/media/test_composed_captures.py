"""What Janus writes of a real browser, composed: picture and sound belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from parley.compositor.index import index
from parley.compositor.mjr import UnreadableTrack
from parley.compositor.plan import Canvas, Person
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from tests.compositor.composed import camera_of, compose, grid, microphone_of, middle, pictures, plan, sound
from tests.media.browser import until

pytestmark = [pytest.mark.media, pytest.mark.asyncio(loop_scope="module")]

CANVAS = Canvas(width=320, height=180, fps=30)
LENGTH_MS = 6_000
TOGETHER_S = 0.08
FLASH_AND_BEEP = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 180});
  const on = canvas.getContext('2d');
  const context = new AudioContext();
  const tone = new OscillatorNode(context, {frequency: 1000}), gate = new GainNode(context, {gain: 0});
  const out = new MediaStreamAudioDestinationNode(context, {channelCount: 1});
  tone.connect(gate).connect(out);
  tone.start();
  const first = context.currentTime + 1;
  for (let n = 0; n < 300; n++) {
    gate.gain.setValueAtTime(0.5, first + n);
    gate.gain.setValueAtTime(0, first + n + 0.2);
  }
  setInterval(() => {
    const since = context.currentTime - first;
    on.fillStyle = since >= 0 && since % 1 < 0.2 ? '#fff' : '#000';
    on.fillRect(0, 0, 320, 180);
    on.fillStyle = '#777';
    on.fillRect((since * 100) % 320, 170, 8, 8);
  }, 10);
  const seen = canvas.captureStream(30);
  navigator.mediaDevices.getUserMedia =
    async wanted => new MediaStream((wanted.audio ? out.stream : seen).getTracks());
}"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(tmp_path_factory):
    """A running Janus that may write."""
    folder = tmp_path_factory.mktemp("captures")
    engine = JanusEngine(JanusOptions(rtp_ports=(30000, 31999), captures_folder=folder))
    engine.folder = folder
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def length_ms(path: Path) -> float:
    try:
        found = index(path)
    except UnreadableTrack:
        return 0.0
    return found.last_ms - found.first_ms


async def test_flash_and_beep_of_a_browser_are_together(engine, room, open_peer, tmp_path):
    peer = await open_peer("ana")
    await peer.page.evaluate(FLASH_AND_BEEP)
    await peer.open_sender(room)
    await peer.sender.capture("together")
    heard, seen = await peer.publish("audio"), await peer.publish("video")
    audio, video = (engine.folder / peer.sender.capture_file(one.mid) for one in (heard, seen))

    async def reason() -> str:
        lengths = [length_ms(path) for path in (audio, video)]
        return "" if min(lengths) > LENGTH_MS else f"there are {lengths} ms so far"

    await until(reason, timeout_s=90)
    await peer.sender.capture(None)

    found = index(audio), index(video)
    span = int(max(one.first_ms for one in found)), int(min(one.last_ms for one in found))
    ana = Person(peer_id="ana", present=[span])
    tracks = [camera_of("ana", video), microphone_of("ana", audio)]
    path = (
        compose(plan(tmp_path, 0, spans=[span], canvas=CANVAS, people=[ana], tracks=tracks)).outputs[0].path
    )
    loud = np.abs(sound(path)[:, 0]) > 0.05
    bright = pictures(path)[(slice(None), *middle(grid(1, CANVAS)[0]))].mean(axis=(1, 2, 3)) > 120
    apart = []
    for seen_s in (np.nonzero(~bright[:-1] & bright[1:])[0] + 1) / 30:
        around = np.nonzero(loud[max(round((seen_s - 0.4) * 48_000), 0) : round((seen_s + 0.4) * 48_000)])[0]
        if len(around) and seen_s > 0.4:
            apart.append(around[0] / 48_000 - 0.4)
    assert len(apart) >= 3
    # A busy machine draws one flash or another late, so the middle one is looked at.
    assert abs(float(np.median(apart))) <= TOGETHER_S, apart
