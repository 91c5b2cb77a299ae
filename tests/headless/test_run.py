"""`parley join` as people and scripts run it."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, STDOUT, Process

import pytest
from click.testing import CliRunner

from parley.headless.run import join_command
from tests.headless.conftest import PARLEY, Server

TOKEN = "e30.eyJtZWV0aW5nSWQiOiAibS0xIn0.s"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((TOKEN, "--url", "http://127.0.0.1:9"), "cannot be reached"),
        ((TOKEN, "--url", "nowhere"), "is not an address"),
        (("nonsense", "--media", "none"), "not a participant token"),
        ((TOKEN, "--media", "/nowhere/film.mp4"), "film.mp4"),
    ],
)
def test_failure_is_one_sentence_and_status_1(arguments: tuple[str, ...], sentence: str):
    result = CliRunner().invoke(join_command, arguments)

    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(PARLEY, "join", *arguments, stdout=PIPE, stderr=STDOUT)


async def line_with(process: Process, text: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            if text in line:
                return line
    pytest.fail(f"the command ended without {text!r}")


@pytest.mark.media
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_makes_it_leave_cleanly(server: Server, meeting, number: signal.Signals):
    observer = await start(meeting("Host"), "--url", server.url, "--media", "none", "--name", "Observer")
    await line_with(observer, "Joined")
    speaker = await start(meeting("Participant"), "--url", server.url, "--name", "Speaker")
    await line_with(speaker, "Joined")
    await line_with(observer, "Speaker joined")

    speaker.send_signal(number)

    await line_with(observer, "Speaker left")  # at once, not after the time for reconnecting
    output, _ = await asyncio.wait_for(speaker.communicate(), 60)
    assert speaker.returncode == 0
    assert "Left the meeting." in output.decode()
    assert "Traceback" not in output.decode()
    observer.terminate()
    await asyncio.wait_for(observer.communicate(), 60)
    assert observer.returncode == 0


@pytest.mark.media
async def test_summary_of_several_participants_is_json(server: Server, meeting):
    arguments = (meeting("Participant"), "--url", server.url, "--count", "2", "--name", "Peer", "--json")
    for seconds in (3, 12, 40):  # on a busy machine media take their time
        process = await start(*arguments, "--for", str(seconds))
        output, _ = await asyncio.wait_for(process.communicate(), 60 + seconds)
        assert process.returncode == 0, output
        outcomes = json.loads(output)
        if all(len(outcome["received"]) == 2 for outcome in outcomes):
            break
    assert [outcome["name"] for outcome in outcomes] == ["Peer 1", "Peer 2"]
    for outcome, other in zip(outcomes, ("Peer 2", "Peer 1"), strict=True):
        assert outcome["joined"]
        assert outcome["ending"] == "left"
        assert sorted((each["name"], each["kind"]) for each in outcome["received"]) == [
            (other, "audio"),
            (other, "video"),
        ]
        assert all(each["frames"] > 0 for each in outcome["received"])


@pytest.mark.media
async def test_a_participant_is_called_as_everybody_else_sees_it(server: Server, meeting):
    arguments = ("--media", "none", "--for", "0", "--json", "--name", " Ada\n ")
    process = await start(meeting("Participant"), "--url", server.url, *arguments)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output
    assert [outcome["name"] for outcome in json.loads(output)] == ["Ada"]
