"""What was recorded survives whoever dies: the server, while it records or makes the files, and Janus."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests import netns
from tests.scenarios.servers import PROGRAM, Cluster, cluster

WAIT_S = 120.0
"""Only a failing test waits that long."""
QUIET = 200.0
"""RMS of 16-bit samples; the participants' tones are at some thousands."""

pytestmark = [
    pytest.mark.media,
    pytest.mark.faults,
    pytest.mark.skipif(netns.missing_network() is not None, reason="there is no network for media"),
]


class Call:
    """A meeting with two participants that send sound and pictures, and its REST API."""

    def __init__(self, servers: Cluster) -> None:
        self.servers = servers
        self.server = servers.start("--rtp-ports", "31000-31499")
        self.http = httpx.Client(headers={"Authorization": f"Bearer {servers.token}"}, timeout=60)
        self.app = self.ask("POST", "/apps", name="Films")["app"]["id"]
        self.meeting = self.ask("POST", f"/{self.app}/meetings", title="Recorded")["id"]
        self.people: list[subprocess.Popen[bytes]] = []

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """The data of an answer."""
        url = f"{self.server.url}/client/v4/accounts/{self.servers.account}/realtime/kit{path}"
        found = self.http.request(method, url, json=body or None)
        assert found.status_code < 300, found.text
        return found.json()["data"]

    def join(self, *names: str) -> None:
        """Let people come; they come back by themselves after a lost connection."""
        for name in names:
            made = self.ask(
                "POST",
                f"/{self.app}/meetings/{self.meeting}/participants",
                name=name,
                preset_name="group_call_host",
                custom_participant_id=name,
            )
            command = [PROGRAM, "join", made["token"], "--url", self.server.url]
            self.people.append(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )

    def record(self) -> str:
        """A recording that runs, and has two pictures and two sounds in its files."""
        recording_id: str = self.ask("POST", f"/{self.app}/recordings", meeting_id=self.meeting)["id"]
        self.wait(lambda: self.status(recording_id) == "RECORDING")
        self.wait(lambda: len([path for path in self.captured() if path.stat().st_size > 8_192]) >= 4)
        return recording_id

    def status(self, recording_id: str) -> str:
        """How it stands."""
        status: str = self.ask("GET", f"/{self.app}/recordings/{recording_id}")["status"]
        return status

    def stop(self, recording_id: str) -> None:
        """Stop it."""
        self.ask("PUT", f"/{self.app}/recordings/{recording_id}", action="stop")

    def finished(self, recording_id: str) -> bytes:
        """The film, when it is there."""
        self.wait(lambda: self.status(recording_id) in ("UPLOADED", "ERRORED"))
        found = self.ask("GET", f"/{self.app}/recordings/{recording_id}")
        assert found["status"] == "UPLOADED", found
        film = self.http.get(found["download_url"]).content
        part = self.http.get(found["download_url"], headers={"Range": "bytes=4-"})  # as a player that seeks
        assert (part.status_code, part.content) == (206, film[4:])
        return film

    def captured(self) -> list[Path]:
        """What Janus has written."""
        return list((self.servers.folder / "data" / "captures").glob("*.mjr"))

    def restart(self) -> None:
        """Kill the server, and start it again on the same port."""
        port = self.server.port
        self.server.kill()
        self.server = self.servers.start("--rtp-ports", "31000-31499", port=port)

    def wait(self, condition: Any) -> None:
        """Ask again and again."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def close(self) -> None:
        """Everybody leaves."""
        for person in self.people:
            person.terminate()
        for person in self.people:
            person.wait(WAIT_S)
        self.http.close()


@contextmanager
def call(folder: Path) -> Iterator[Call]:
    with cluster(folder, "--no-rate-limits", "--no-demo") as servers:
        made = Call(servers)
        try:
            yield made
        finally:
            made.close()


def length_of(film: bytes) -> float:
    """How long it is, by its pictures, all of which can be decoded."""
    with av.open(io.BytesIO(film)) as file:
        return max(float(frame.time) for frame in file.decode(video=0))


def heard_until(film: bytes) -> float:
    """When the last sound is heard."""
    with av.open(io.BytesIO(film)) as file:
        plain = av.AudioResampler(format="s16", layout="mono", rate=8_000)
        pieces = [p.to_ndarray()[0] for frame in file.decode(audio=0) for p in plain.resample(frame)]
    samples = np.concatenate(pieces).astype(np.float64)
    windows = samples[: len(samples) // 400 * 400].reshape(-1, 400)
    loud = np.flatnonzero(np.sqrt((windows**2).mean(axis=1)) > QUIET)
    return float(loud[-1] + 1) * 400 / 8_000


def test_killed_servers_cost_no_more_than_a_second_of_what_was_said(tmp_path):
    with call(tmp_path) as meeting:
        meeting.join("Ann", "Bob")
        recording_id = meeting.record()
        began = time.monotonic()
        time.sleep(4)
        said_s = time.monotonic() - began
        for person in meeting.people:  # nobody comes back: what is heard last was said before the kill
            person.kill()
        meeting.restart()
        meeting.stop(recording_id)
        time.sleep(random.uniform(0.0, 1.5))
        meeting.restart()  # while it makes the files
        film = meeting.finished(recording_id)
        assert length_of(film) > said_s - 1.0
        assert heard_until(film) > said_s - 1.0
        assert meeting.captured() == []


def test_the_recording_goes_on_after_the_engine_was_killed(tmp_path):
    with call(tmp_path) as meeting:
        meeting.join("Ann", "Bob")
        recording_id = meeting.record()
        began = time.monotonic()
        time.sleep(2)
        before = set(meeting.captured())
        children = Path(f"/proc/{meeting.server.process.pid}/task/{meeting.server.process.pid}/children")
        [janus] = [int(pid) for pid in children.read_text().split() if b"janus" in _command(pid)]
        os.kill(janus, signal.SIGKILL)
        meeting.wait(
            lambda: len([p for p in meeting.captured() if p not in before and p.stat().st_size > 8_192]) >= 2
        )
        time.sleep(2)
        meeting.stop(recording_id)
        recorded_s = time.monotonic() - began
        film = meeting.finished(recording_id)
        assert length_of(film) > recorded_s - 1.0
        assert heard_until(film) > recorded_s - 1.5


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
