"""The program: `python -m parley.compositor`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from parley.compositor.files import temporary
from parley.compositor.plan import Canvas, Output, write
from tests.compositor.composed import camera_of, compose, microphone_of, person, plan

Write = Callable[[str], Path]
LIMIT_S = 120


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "parley.compositor", str(path)]


def run(path: Path) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(command(path), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def wait_for_output(process: subprocess.Popen[bytes], part: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    assert process.stdout is not None
    while not (part.exists() and part.stat().st_size > 0):
        assert process.stdout.readline(), "it ended by itself"
        assert time.monotonic() < deadline, "nothing was written"


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(timeout=LIMIT_S)
    if process.stdout is not None:
        process.stdout.close()


def test_progress_is_told_and_then_the_result(tmp_path: Path, microphone: Write) -> None:
    tracks = [microphone_of("ana", microphone("ana")), microphone_of("ben", tmp_path / "absent.mjr")]
    wanted = plan(tmp_path, 1, people=[person("ana")], tracks=tracks)
    (tmp_path / "plan.json").write_bytes(write(wanted))
    status, lines = run(tmp_path / "plan.json")
    assert status == 0
    progress = [line["progress"] for line in lines[:-1]]
    assert progress == sorted(progress)
    assert all(0 <= one <= 100 for one in progress)
    (made,) = lines[-1]["outputs"]
    assert made["path"] == str(tmp_path / "out.mp4")
    assert made["size_bytes"] == (tmp_path / "out.mp4").stat().st_size
    assert abs(made["duration_ms"] - 1_000) <= 100
    assert [one["path"] for one in lines[-1]["skipped"]] == [str(tmp_path / "absent.mjr")]


def test_plan_that_is_wrong_is_refused_by_field(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(
        '{"spans": [[5, 4]], "outputs": [{"path": "x.mp4", "container": "mp4", "video": "h264"}]}'
    )
    status, lines = run(path)
    assert status == 2
    assert lines[-1]["error"] == "invalid_plan"
    assert "spans[0]" in lines[-1]["message"]


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    output = Output(path=tmp_path / "absent" / "out.mp3", container="mp3")
    (tmp_path / "plan.json").write_bytes(write(plan(tmp_path, 1, outputs=[output])))
    status, lines = run(tmp_path / "plan.json")
    assert status == 1
    assert lines[-1]["error"] == "unwritable"


def test_disk_that_is_full_is_told_and_nothing_is_left(tmp_path: Path, microphone: Write) -> None:
    outputs = [
        Output(path=tmp_path / "out.mp4", container="mp4", video="h264"),
        Output(path=tmp_path / "out.tar", container="hls", video="h264"),
    ]
    wanted = plan(tmp_path, 20, people=[person("ana")], tracks=[microphone_of("ana", microphone("ana"))])
    for output in outputs:
        (tmp_path / "plan.json").write_bytes(write(msgspec.structs.replace(wanted, outputs=[output])))
        limit = ["sh", "-c", 'ulimit -f 40; exec "$@"', "sh", *command(tmp_path / "plan.json")]  # 20 KiB
        done = subprocess.run(limit, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 1
        assert json.loads(done.stdout.splitlines()[-1])["error"] == "disk_full", done.stdout
        assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_run_whose_starter_is_gone_ends_and_lets_the_next_one_write(
    tmp_path: Path, camera: Write, microphone: Write
) -> None:
    long = plan(tmp_path, 600, canvas=Canvas(), people=[person("ana", 0, 600)])
    (tmp_path / "plan.json").write_bytes(write(long))
    process = subprocess.Popen(command(tmp_path / "plan.json"), stdout=subprocess.PIPE)
    try:
        wait_for_output(process, temporary(tmp_path / "out.mp4"))
        assert process.stdout is not None
        process.stdout.close()
        made = compose(plan(tmp_path, 1, people=[person("ana")]))
        assert process.wait(timeout=LIMIT_S) == 1
        assert made.outputs[0].duration_ms == 1_000
    finally:
        end(process)


def test_run_that_was_killed_is_simply_run_again(tmp_path: Path, camera: Write, microphone: Write) -> None:
    wanted = plan(
        tmp_path,
        600,
        canvas=Canvas(width=640, height=360),
        people=[person("ana", 0, 600)],
        tracks=[camera_of("ana", camera("ana")), microphone_of("ana", microphone("ana"))],
        outputs=[
            Output(path=tmp_path / "out.mp4", container="mp4", video="h264"),
            Output(path=tmp_path / "out.tar", container="hls", video="h264"),
        ],
    )
    (tmp_path / "plan.json").write_bytes(write(wanted))
    process = subprocess.Popen(command(tmp_path / "plan.json"), stdout=subprocess.PIPE)
    try:
        wait_for_output(process, temporary(tmp_path / "out.mp4"))
    finally:
        end(process)
    assert not (tmp_path / "out.mp4").exists()
    short = plan(tmp_path, 1, people=wanted.people, tracks=wanted.tracks, outputs=wanted.outputs)
    contents = []
    for _ in range(2):
        made = compose(short)
        assert [abs(one.duration_ms - 1_000) <= 100 for one in made.outputs] == [True, True]
        contents.append((tmp_path / "out.mp4").read_bytes())
    assert contents[0] == contents[1]
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == ["out.mp4", "out.tar"]
