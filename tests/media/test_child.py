from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from parley.media.child import Backoff, Child, LineThrottle, Supervisor
from parley.media.ports import MediaUnavailable
from tests.waiting import until

QUICK = Backoff(first_s=0.01, longest_s=0.05)


async def shell(script: str) -> Child:
    return await Child.spawn("program", ["/bin/sh", "-c", script])


def exists(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_program_that_cannot_be_executed_is_unavailable(tmp_path):
    with pytest.raises(MediaUnavailable, match="cannot be started"):
        await Child.spawn("program", [str(tmp_path / "nothing")])


async def test_exit_code_is_told():
    child = await shell("exit 3")

    await asyncio.wait_for(child.wait(), 30)

    assert child.exit_code == 3
    await child.stop()


async def test_last_output_is_kept_for_the_explanation():
    child = await shell("for i in 1 2 3; do echo line $i; done; echo bad >&2")

    await asyncio.wait_for(child.wait(), 30)
    await until(lambda: "" if len(child.last_lines) == 4 else "output is missing")

    assert list(child.last_lines) == ["line 1", "line 2", "line 3", "bad"]
    await child.stop()


async def test_line_without_end_does_not_stop_the_reading():
    """Over the 64 KiB that asyncio buffers for a line."""
    child = await shell("head -c 300000 /dev/zero | tr '\\0' x; echo; echo after; exec sleep 60")

    await until(lambda: "" if "after" in child.last_lines else "the line after is missing")

    await child.stop()


async def test_stop_ends_a_program_that_ignores_sigterm():
    child = await shell("trap '' TERM; echo ready; while true; do sleep 0.05; done")
    await until(lambda: "" if child.last_lines else "not ready")

    await child.stop(grace_s=0.1)
    await child.stop()

    assert child.exit_code == -signal.SIGKILL


async def test_child_is_in_a_session_of_its_own():
    child = await shell("exec sleep 60")

    assert os.getsid(child.pid) == child.pid
    await child.stop()


PARENT = """
import asyncio
from parley.media.child import Child
async def main():
    child = await Child.spawn("program", ["/bin/sleep", "600"])
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.faults
async def test_child_dies_with_a_killed_parent():
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    assert exists(pid)

    parent.kill()
    await parent.wait()

    await until(lambda: f"{pid} still runs" if exists(pid) else "")


async def test_ended_program_is_started_again_and_told_once():
    told: list[str] = []
    supervisor = Supervisor("program", lambda: shell("exec sleep 600"), lambda: told.append("down"), QUICK)
    await supervisor.start()
    assert supervisor.current is not None
    first = supervisor.current.pid

    os.kill(first, signal.SIGKILL)
    await until(lambda: "" if supervisor.restarts == 1 else "not restarted")

    assert supervisor.current.pid != first
    assert told == ["down"]
    await supervisor.stop()


async def test_failing_restart_is_tried_again():
    attempts = 0

    async def bring_up() -> Child:
        nonlocal attempts
        attempts += 1
        if attempts in (2, 3):
            raise MediaUnavailable("The port is taken.")
        return await shell("exec sleep 600")

    supervisor = Supervisor("program", bring_up, lambda: None, QUICK)
    await supervisor.start()
    assert supervisor.current is not None
    os.kill(supervisor.current.pid, signal.SIGKILL)

    await until(lambda: "" if supervisor.restarts == 1 else "not restarted")

    assert attempts == 4
    assert supervisor.last_error is None
    await supervisor.stop()


async def test_failing_first_start_is_the_callers_to_handle():
    async def bring_up() -> Child:
        raise MediaUnavailable("Not installed.")

    supervisor = Supervisor("program", bring_up, lambda: None, QUICK)

    with pytest.raises(MediaUnavailable):
        await supervisor.start()

    assert supervisor.current is None
    assert supervisor.last_error == "Not installed."


async def test_failing_listener_does_not_prevent_the_restart(caplog):
    def listener() -> None:
        raise RuntimeError("listener")

    supervisor = Supervisor("program", lambda: shell("exec sleep 600"), listener, QUICK)
    await supervisor.start()
    assert supervisor.current is not None
    os.kill(supervisor.current.pid, signal.SIGKILL)

    await until(lambda: "" if supervisor.restarts == 1 else "not restarted")

    await supervisor.stop()


async def test_stopped_supervisor_leaves_nothing_running():
    supervisor = Supervisor("program", lambda: shell("exec sleep 600"), lambda: None, QUICK)
    await supervisor.start()
    assert supervisor.current is not None
    pid = supervisor.current.pid

    await supervisor.stop()
    await supervisor.stop()

    assert not exists(pid)


def test_waiting_times_double_up_to_the_longest():
    backoff = Backoff(first_s=1.0, longest_s=8.0)

    for failures, full in enumerate((1, 2, 4, 8, 8, 8), 1):
        assert full * 0.75 <= backoff.delay_s(failures) <= full
    assert backoff.delay_s(100_000) <= 8


def test_chatty_program_is_throttled_and_counted():
    throttle = LineThrottle(burst=2, period_s=10.0)

    assert [throttle.admit(now) for now in (0.0, 0.1, 0.2, 0.3)] == [True, True, False, False]
    assert throttle.suppressed == 2
    assert throttle.admit(10.1)


async def test_output_goes_to_the_log(caplog):
    caplog.set_level(logging.DEBUG, "parley.media.child")
    child = await shell("echo hello")

    await until(lambda: "" if "program: hello" in caplog.messages else "not logged")

    await child.stop()
