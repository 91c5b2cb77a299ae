"""Four people's tracks made into 1280x720 H.264 and AAC: CPU against `ffmpeg` with xstack, and speed on one
core.

Both read the same VP8 and Opus packets and make the same picture, less names, corners and marks of the
speaker that ffmpeg does not draw. x264 gets the same options and one thread; AAC has the same bit rate. What
Parley spares AAC at that rate ffmpeg spares only in the second comparison, which is for information. CPU time
is that of the whole process, its start included.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench import peers
from bench.figures import Figure
from parley.compositor.layout import arrange
from parley.compositor.plan import Canvas, Output, Person, Plan, Track, write
from parley.compositor.writer import AAC_OPTIONS, X264_OPTIONS
from tests.compositor.recorded import START_MS, Sent, camera, microphone, write_track

PEOPLE = 4
SECONDS = 10
ROUNDS = 3
SIZE = (640, 480)
FPS = 30
BIT_RATE = 2_500_000
LIMIT_S = 300.0
_SKIN = np.array([130, 90, 70], np.float32)


def scene(person: int) -> np.ndarray:
    """A still of a room, soft as cameras are."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    light = 110 + 50 * np.sin(x / (90 + 10 * person)) + 40 * np.cos(y / 70 + person)
    return np.stack([light, light * 0.9, light * (0.7 + 0.1 * person)], axis=-1).astype(np.float32)


def person(number: int) -> list[Sent]:
    """Somebody who moves in front of it, with the noise of a camera."""
    room, noise = (
        scene(number),
        np.random.default_rng(number).normal(0, 3, (*SIZE[::-1], 1)).astype(np.float32),
    )
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)

    def picture(at_s: float) -> np.ndarray:
        across, down = 320 + 40 * np.sin(at_s * 2 + number), 280 + 12 * np.sin(at_s * 3)
        head = ((x - across) / 110) ** 2 + ((y - down) / 150) ** 2 < 1
        grain = np.roll(noise, (round(at_s * 977) % 480, round(at_s * 1471) % 640), (0, 1))
        made = np.where(head[..., None], room * 0.4 + _SKIN, room) + grain
        return np.clip(made, 0, 255).astype(np.uint8)

    return camera(SECONDS, picture, size=SIZE, fps=FPS, key_every=10**6)


def prepare(folder: Path) -> Plan:
    """Tracks for Parley, and the same packets in WebM for ffmpeg."""
    tracks: list[Track] = []
    for number in range(PEOPLE):
        name = f"person-{number}"
        pictures, sound = person(number), microphone(SECONDS, 220.0 * (number + 1))
        seen = write_track(folder / f"{name}-video.mjr", "vp8", pictures)
        heard = write_track(folder / f"{name}-audio.mjr", "opus", sound)
        tracks += [
            Track(peer_id=name, source="camera", path=seen),
            Track(peer_id=name, source="microphone", path=heard),
        ]
        webm(folder / f"{name}.webm", pictures, sound)
    end = START_MS + SECONDS * 1000
    people = [
        Person(peer_id=f"person-{n}", name=f"Person {n + 1}", present=[(START_MS, end)])
        for n in range(PEOPLE)
    ]
    output = Output(path=folder / "parley.mp4", container="mp4", video="h264", video_bitrate=BIT_RATE)
    return Plan(canvas=Canvas(), spans=[(START_MS, end)], people=people, tracks=tracks, outputs=[output])


def webm(path: Path, pictures: Sequence[Sent], sound: Sequence[Sent]) -> None:
    """The packets without RTP around them."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=FPS)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream("libopus", rate=48_000)
        assert isinstance(audio, av.AudioStream)
        audio.layout = "stereo"
        whole: list[tuple[float, bytes]] = []
        for sent in pictures:
            payload = sent.packet[12 + 4 :]  # RTP and VP8 descriptor, as the tracks of the tests have them
            if whole and whole[-1][0] == sent.captured_ms:
                whole[-1] = (sent.captured_ms, whole[-1][1] + payload)
            else:
                whole.append((sent.captured_ms, payload))
        made = [(at_ms, True, data) for at_ms, data in whole]
        made += [(sent.captured_ms, False, sent.packet[12:]) for sent in sound]
        for at_ms, is_video, data in sorted(made):
            packet = av.Packet(data)
            packet.stream, packet.time_base = video if is_video else audio, Fraction(1, 1000)
            packet.pts = packet.dts = round(at_ms - START_MS)
            packet.is_keyframe = not is_video or not data[0] & 0x01
            container.mux(packet)


def ffmpeg_program() -> str:
    """The system's, or else that of the peers."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    command = [str(peers.python()), "-c", "import imageio_ffmpeg as it; print(it.get_ffmpeg_exe())"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def encoder_options(options: Mapping[str, str]) -> list[str]:
    """As ffmpeg wants them."""
    return [part for key, value in options.items() for part in (f"-{key}", value)]


def ffmpeg(program: str, folder: Path, canvas: Canvas, sound: Mapping[str, str]) -> list[str]:
    """The same picture by filters."""
    inputs: list[str] = []
    tiles = arrange(canvas.width, canvas.height, large=0, people=PEOPLE).tiles
    left, top = tiles[0].x, tiles[0].y
    for number in range(PEOPLE):
        inputs += ["-i", str(folder / f"person-{number}.webm")]
    cells = ";".join(
        f"[{n}:v]scale={tile.width}:{round(tile.width * SIZE[1] / SIZE[0])}:flags=bilinear,"
        f"crop={tile.width}:{tile.height}[v{n}]"
        for n, tile in enumerate(tiles)
    )
    placed = "|".join(f"{tile.x - left}_{tile.y - top}" for tile in tiles)
    videos = "".join(f"[v{n}]" for n in range(PEOPLE))
    audios = "".join(f"[{n}:a]" for n in range(PEOPLE))
    graph = (
        f"{cells};{videos}xstack=inputs={PEOPLE}:layout={placed}:fill=0x141414,"
        f"pad={canvas.width}:{canvas.height}:{left}:{top}:0x141414[v];{audios}amix=inputs={PEOPLE}:normalize=0[a]"
    )
    return [
        *(program, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]", "-map", "[a]"),
        *("-r", str(FPS), "-c:v", "libx264", "-threads", "1", "-g", str(2 * FPS)),
        *("-maxrate", str(BIT_RATE), "-bufsize", str(2 * BIT_RATE), *encoder_options(X264_OPTIONS)),
        *("-c:a", "aac", "-b:a", "384k", *encoder_options(sound)),
        *("-movflags", "+faststart", str(folder / "ffmpeg.mp4")),
    ]


def timed(command: Sequence[str]) -> float:
    """CPU seconds of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> list[Figure]:
    """Rounds that take turns, and their medians."""
    program = ffmpeg_program()
    with tempfile.TemporaryDirectory(prefix="parley-composite-") as name:
        folder = Path(name)
        plan = prepare(folder)
        (folder / "plan.json").write_bytes(write(plan))
        commands = {"ours": [sys.executable, "-m", "parley.compositor", str(folder / "plan.json")]}
        commands["ffmpeg"] = ffmpeg(program, folder, plan.canvas, {})
        commands["alike"] = ffmpeg(program, folder, plan.canvas, AAC_OPTIONS)
        rounds = [{name: timed(command) for name, command in commands.items()} for _ in range(ROUNDS)]
        cpu = {name: statistics.median(one[name] for one in rounds) for name in commands}
        sizes = [path.stat().st_size for path in sorted(folder.glob("*.mp4"))]
    return [
        Figure(
            name="composition of 4 people at 720p30, of real time on one core",
            value=SECONDS / cpu["ours"],
            at_least=2.5,
            detail=f"{cpu['ours']:.2f} CPU s for {SECONDS} s",
        ),
        Figure(
            name="CPU of the composition, of ffmpeg xstack",
            value=cpu["ours"] / cpu["ffmpeg"],
            at_most=1.0,
            detail=f"{cpu['ffmpeg']:.2f} CPU s; " + " and ".join(f"{size:,} bytes" for size in sizes),
        ),
        Figure(
            name="... of ffmpeg with our options for AAC",
            value=cpu["ours"] / cpu["alike"],
            detail=f"{cpu['alike']:.2f} CPU s",
        ),
    ]
