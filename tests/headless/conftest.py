"""A real server, as `parley serve` starts it, for participants without a browser."""

from __future__ import annotations

import array
import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from tests import netns

START_TIMEOUT_S = 120.0  # with Janus, on a loaded two-core machine
PARLEY = str(Path(sys.executable).with_name("parley"))


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    pid: int

    def meeting(self, kind: str = "group_call") -> dict[str, str]:
        """A new meeting; returns participant tokens by role ("Host", "Participant", "Guest", ...)."""
        request = urllib.request.Request(
            f"{self.url}/start/meetings",
            json.dumps({"title": "Test", "kind": kind}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            links = json.load(response)["links"]
        return {link["role"]: link["url"].partition("token=")[2] for link in links}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why media tests cannot run, where they cannot."""
    reason = netns.missing_network()
    if reason is None and shutil.which("janus") is None:
        reason = "janus is not installed"
    if reason is None:
        return
    for item in items:
        is_ours = item.path.is_relative_to(Path(__file__).parent)
        if is_ours and item.get_closest_marker("media"):
            item.add_marker(pytest.mark.skip(reason=reason))


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Run `parley serve` on a free port."""
    log = folder / "serve.log"
    environment = os.environ | {"PARLEY_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PARLEY, "serve", "--port", "0", "--no-rate-limits", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield Server(_wait_url(process, log), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Start page\s+http://localhost:(\d+)/", log.read_text())
        if found:
            return f"http://127.0.0.1:{found[1]}"
        time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for each test process."""
    # Each test process has Janus take its ports from a range of its own.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 41_000 + 500 * worker
    with serving(tmp_path_factory.mktemp("server"), "--rtp-ports", f"{first}-{first + 499}") as running:
        yield running


@pytest.fixture
def meeting(server: Server) -> Callable[[str], str]:
    """A fresh meeting: the token of a role."""
    tokens = server.meeting()
    return tokens.__getitem__


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    """A tenth of a second of 1 kHz."""
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = array.array("h", (round(9000 * math.sin(2 * math.pi * i / 16)) for i in range(1600)))
        frame = av.AudioFrame("s16", "mono", 1600)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
