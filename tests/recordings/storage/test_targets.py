"""What is brought to a customer's storage is there, whole, whatever kind it is and whatever breaks."""

from __future__ import annotations

import asyncio
import socket
import sys

import msgspec
import pytest

from parley.recordings.storage.errors import Hopeless, RetryLater
from tests.recordings.storage.conftest import LARGE, ONCE
from tests.recordings.storage.relay import relay
from tests.waiting import DEADLINE_S

VICTIM = """
import asyncio, sys
import msgspec
from pathlib import Path
from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.target import Rules
config, endpoints, path = msgspec.json.decode(sys.stdin.readline())
def told(done, total):
    if done > total // 2:
        print("half", flush=True)
        sys.stdin.readline()  # until it is killed
asyncio.run(target_of(config, Rules(OutgoingPolicy(), endpoints)).put(Path(path), "a.mp4", told))
"""


async def test_a_small_file_arrives(case, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"moving pictures")
    await case.target().put(small, "a.mp4")
    assert case.read("a.mp4") == b"moving pictures"
    assert case.names() == ["a.mp4"]


async def test_an_empty_file_arrives(case, tmp_path):
    (tmp_path / "empty").touch()
    await case.target().put(tmp_path / "empty", "a.mp4")
    assert case.read("a.mp4") == b""


async def test_a_file_of_several_parts_arrives_and_its_progress_is_told(case, large):
    told: list[tuple[int, int]] = []
    await case.target().put(large, "a.mp4", lambda done, total: told.append((done, total)))
    assert case.read("a.mp4") == large.read_bytes()
    assert told[-1] == (LARGE, LARGE)
    assert told == sorted(set(told))


async def test_without_a_path_the_file_is_at_the_root(buckets, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"x")
    await buckets.target(path="").put(small, "root.mp4")
    assert buckets.names() == ["root.mp4"]


async def test_putting_again_replaces(case, tmp_path):
    file = tmp_path / "file"
    for content in (b"first, and longer", b"second"):
        file.write_bytes(content)
        await case.target().put(file, "a.mp4")
    assert case.read("a.mp4") == b"second"
    assert case.names() == ["a.mp4"]


async def test_a_connection_that_is_cut_is_made_again(case, large):
    async with relay(case.host, case.port) as between:
        between.cut_after = 3 << 20
        await case.target(between.port).put(large, "a.mp4")
        assert between.cuts == 1
    assert case.read("a.mp4") == large.read_bytes()
    assert case.names() == ["a.mp4"]


async def test_connections_that_are_cut_each_time_leave_nothing_under_the_name(case, large):
    async with relay(case.host, case.port) as between:
        between.cut_after, between.most_cuts = 3 << 20, 1_000
        with pytest.raises(RetryLater, match="broke off"):
            await case.target(between.port, ONCE).put(large, "a.mp4")
    assert "a.mp4" not in case.names()


async def test_a_storage_that_is_away_may_come_back(case, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with socket.socket() as bound:  # nobody listens, and nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(RetryLater, match="cannot be reached"):
            await case.target(bound.getsockname()[1], ONCE).put(file, "a.mp4")


async def test_a_missing_local_file_is_not_blamed_on_the_storage(case, tmp_path):
    with pytest.raises(FileNotFoundError):
        await case.target().put(tmp_path / "missing", "a.mp4")


async def test_a_bucket_that_does_not_exist_is_hopeless(buckets, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(Hopeless, match=r"There is no (bucket|container) “nosuchbucket”"):
        await buckets.target(bucket="nosuchbucket").put(file, "a.mp4")


async def test_a_bucket_that_goes_during_the_upload_is_named(buckets, large):
    gone: list[bool] = []

    def told(done: int, total: int) -> None:
        if done > total // 2 and not gone:
            gone.append(True)
            buckets.remove()

    with pytest.raises(Hopeless, match=r"There is no (bucket|container)"):
        await buckets.target().put(large, "a.mp4", told)
    assert gone


async def test_an_upload_that_was_killed_is_run_again(case, large):
    order = msgspec.json.encode([case.config, case.rules().endpoints, str(large)])
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdin is not None
    assert victim.stdout is not None
    try:
        victim.stdin.write(order + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            assert await victim.stdout.readline() == b"half\n"
    finally:
        victim.kill()
        await victim.wait()
    assert "a.mp4" not in case.names()
    await case.target().put(large, "a.mp4")
    assert case.read("a.mp4") == large.read_bytes()
    assert case.names() == ["a.mp4"]
