"""Every route, asked for by the official Node SDK (`tests/node`)."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.wire.realtimekit.serving import Api, dump, ended, measure

FOLDER = Path(__file__).parents[2] / "node"
DEADLINE_S = 60.0


def node() -> str:
    """Node of the virtual environment, or the system's."""
    beside = Path(sys.executable).parent / "node"
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None:
        pytest.skip("no Node.js")
    if not (FOLDER / "node_modules" / "cloudflare").exists():
        pytest.skip("the Node SDK is not installed: npm ci in tests/node")
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_node_sdk_reaches_every_route(api: Api):
    meeting = await api.meeting(title="Live")
    peer = await api.join(meeting, await api.participant(meeting, "live"))
    for name in ("joined", "measured"):
        await measure(api, peer, name)
    _, session = await ended(api, "hello")
    await dump(api, session)
    base = f"{api.origin}/client/v4"
    process = await asyncio.create_subprocess_exec(
        node(),
        str(FOLDER / "rest.mjs"),
        *(base, api.token, api.scope.organization_id, api.scope.app_id, meeting, session),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, problems = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, problems.decode()
    assert json.loads(out) == {
        "app": "Node",
        "apps": 1,
        "meeting": "From Node",
        "found": 1,
        "same": True,
        "status": "INACTIVE",
        "replaced": None,
        "token": True,
        "participants": 1,
        "participant": "node",
        "edited": "Node",
        "refreshed": True,
        "copied": True,
        "renamed": "Renamed",
        "replacedPreset": "Replaced",
        "deletedPreset": "Replaced",
        "live": "LIVE",
        "sessions": 1,
        "details": True,
        "peers": ["live"],
        "peer": True,
        "report": "group_call_host",
        "measured": ["1.5.1", 1, 640],
        "chat": True,
        "poll": ["a", "b"],
        "asked": "INVOKED",
        "active": True,
        "recordings": 1,
        "recording": True,
        "stopped": "API_CALL",
        "tracks": 36,
        "hook": ["recording.statusUpdate"],
        "hooks": 1,
        "editedHook": False,
        "replacedHook": True,
        "deletedHook": "N",
        "sessionsCounted": 2,
        "absent": [404, 404, 404],
        "summary": 400,
        "streaming": "INVOKED",
        "activeStream": True,
        "ingested": "0",
        "run": 0,
        "streamStopped": "Stopped live stream successfully",
        "stream": "IDLE",
        "streams": 1,
        "use": 1,
        "useByDay": True,
        "kicked": 1,
        "kickedAll": "kicked_all",
        "removed": "node",
        "gone": {"name": "NotFoundError", "status": 404},
    }
