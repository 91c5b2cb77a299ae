from __future__ import annotations

import asyncio

import pytest

from parley.base.tasks import cancel_and_wait, to_the_end, wait_event


async def test_work_goes_on_to_its_end_through_repeated_cancellation():
    gate, ended = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        ended.append(True)

    task = asyncio.create_task(to_the_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_an_undisturbed_result_or_error_is_passed_on():
    async def work(fails: bool) -> int:
        if fails:
            raise LookupError
        return 7

    assert await to_the_end(work(False)) == 7
    with pytest.raises(LookupError):
        await to_the_end(work(True))


async def test_an_error_after_a_cancellation_is_not_reported_as_lost(caplog):
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise LookupError

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    assert "never retrieved" not in caplog.text


async def test_a_timeout_around_it_is_a_timeout():
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, gate.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await to_the_end(gate.wait())


async def test_waiting_for_an_event_tells_whether_it_came():
    event = asyncio.Event()
    assert not await wait_event(event, 0.001)
    event.set()
    assert await wait_event(event, 0.001)


async def test_cancelled_tasks_have_ended_afterwards():
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(stubborn()) for _ in range(3)]
    await asyncio.sleep(0)
    await cancel_and_wait([*tasks, None])
    assert all(task.cancelled() for task in tasks)
