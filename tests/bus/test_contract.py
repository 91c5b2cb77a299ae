"""What every bus promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from parley.bus.ports import MAX_NAMES, MAX_PAYLOAD_BYTES, Bus, Draw, Part, Wanted
from tests.bus.conftest import PassTime
from tests.waiting import until

SHORT = timedelta(seconds=30)
PAST = timedelta(seconds=31)
LONG = timedelta(minutes=5)


# --- publish and subscribe
# ------------------------------------------------------------------------------------


async def test_payloads_arrive_in_order(bus: Bus) -> None:
    got: list[bytes] = []
    await bus.subscribe("t", got.append)
    for n in range(100):
        bus.publish("t", str(n).encode())
    assert got == []
    await until(lambda: "" if len(got) == 100 else f"{len(got)} arrived")
    assert got == [str(n).encode() for n in range(100)]


async def test_every_subscriber_of_a_topic_gets_it_once(bus: Bus) -> None:
    one: list[bytes] = []
    two: list[bytes] = []
    other: list[bytes] = []
    await bus.subscribe("t", one.append)
    await bus.subscribe("t", two.append)
    await bus.subscribe("other", other.append)
    bus.publish("t", b"x")
    bus.publish("other", b"end")
    await until(lambda: "" if other else "nothing came")
    assert (one, two, other) == ([b"x"], [b"x"], [b"end"])


async def test_closed_subscription_is_silent(bus: Bus) -> None:
    closed: list[bytes] = []
    kept: list[bytes] = []
    subscription = await bus.subscribe("t", closed.append)
    await bus.subscribe("t", kept.append)
    bus.publish("t", b"1")
    await subscription.close()
    await subscription.close()
    bus.publish("t", b"2")
    await until(lambda: "" if kept == [b"1", b"2"] else f"got {kept}")
    assert closed == []


async def test_topic_can_be_left_and_joined_again(bus: Bus) -> None:
    await (await bus.subscribe("t", lambda _: None)).close()
    got: list[bytes] = []
    subscription = await bus.subscribe("t", got.append)
    assert subscription.topic == "t"
    bus.publish("t", b"x")
    await until(lambda: "" if got == [b"x"] else f"got {got}")


async def test_failing_callback_costs_the_others_nothing(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    got: list[bytes] = []

    def fail(payload: bytes) -> None:
        raise LookupError("a mistake")

    await bus.subscribe("t", fail)
    await bus.subscribe("t", got.append)
    bus.publish("t", b"x")
    await until(lambda: "" if got == [b"x"] else f"got {got}")
    assert "a mistake" in caplog.text


async def test_payload_may_be_large_but_not_endless(bus: Bus) -> None:
    got: list[bytes] = []
    await bus.subscribe("t", got.append)
    bus.publish("t", bytes(MAX_PAYLOAD_BYTES))
    await until(lambda: "" if got else "nothing came")
    assert len(got[0]) == MAX_PAYLOAD_BYTES
    with pytest.raises(ValueError, match="at most"):
        bus.publish("t", bytes(MAX_PAYLOAD_BYTES + 1))
    assert bus.dropped == 0


# --- leases
# ---------------------------------------------------------------------------------------------------


async def test_lease_is_held_by_one(bus: Bus) -> None:
    first = await bus.lease("room:7", LONG, "a")
    assert first is not None
    assert (first.name, first.holder) == ("room:7", "a")
    assert await bus.lease("room:7", LONG, "b") is None
    assert await bus.holder_of("room:7") == "a"
    assert await bus.lease("room:8", LONG, "b") is not None


async def test_of_many_asking_at_once_one_gets_the_lease(bus: Bus) -> None:
    leases = await asyncio.gather(*(bus.lease("room:7", LONG, f"holder {n}") for n in range(20)))
    assert sum(lease is not None for lease in leases) == 1


async def test_lease_is_lost_when_not_renewed(bus: Bus, pass_time: PassTime) -> None:
    first = await bus.lease("room:7", SHORT, "a")
    await pass_time(PAST)
    second = await bus.lease("room:7", LONG, "b")
    assert first is not None
    assert second is not None
    assert second.fence > first.fence
    assert not await first.still_mine()
    assert not await first.renew()
    assert await second.still_mine()


async def test_late_release_does_not_take_the_lease_from_its_new_holder(
    bus: Bus, pass_time: PassTime
) -> None:
    first = await bus.lease("room:7", SHORT, "a")
    await pass_time(PAST)
    second = await bus.lease("room:7", LONG, "b")
    assert first is not None
    assert second is not None
    await first.release()
    assert await second.still_mine()


async def test_renewing_keeps_a_lease(bus: Bus, pass_time: PassTime) -> None:
    lease = await bus.lease("room:7", SHORT, "a")
    assert lease is not None
    for _ in range(3):
        await pass_time(SHORT * 0.7)
        assert await lease.renew()
    assert await lease.still_mine()


async def test_released_lease_is_free_at_once(bus: Bus) -> None:
    first = await bus.lease("room:7", LONG, "a")
    assert first is not None
    await first.release()
    assert await bus.holder_of("room:7") is None
    second = await bus.lease("room:7", LONG, "b")
    assert second is not None
    assert second.fence > first.fence


async def test_holder_that_asks_again_gets_a_new_lease_and_loses_the_old(bus: Bus) -> None:
    first = await bus.lease("room:7", LONG, "node:1")
    second = await bus.lease("room:7", LONG, "node:1")
    assert first is not None
    assert second is not None
    assert second.fence > first.fence
    assert not await first.still_mine()
    assert await second.still_mine()
    assert await bus.holder_of("room:7") == "node:1"


async def test_fences_grow_and_fit_a_database_column(bus: Bus) -> None:
    fences = []
    for n in range(50):
        lease = await bus.lease(f"room:{n % 3}", LONG, "a")
        assert lease is not None
        fences.append(lease.fence)
    assert fences == sorted(set(fences))
    assert fences[-1] < 1 << 53


# --- facts that expire
# ----------------------------------------------------------------------------------------


async def test_fact_is_kept_replaced_and_deleted(bus: Bus) -> None:
    assert await bus.get("k") is None
    await bus.put("k", b"\x00one", LONG)
    assert await bus.get("k") == b"\x00one"
    await bus.put("k", b"two", LONG)
    assert await bus.get("k") == b"two"
    await bus.delete("k")
    await bus.delete("k")
    assert await bus.get("k") is None


async def test_fact_expires(bus: Bus, pass_time: PassTime) -> None:
    await bus.put("k", b"x", SHORT)
    await pass_time(PAST)
    assert await bus.get("k") is None
    assert await bus.take("k") is None


async def test_putting_again_begins_the_time_anew(bus: Bus, pass_time: PassTime) -> None:
    await bus.put("k", b"x", SHORT)
    await bus.put("k", b"y", LONG)
    await pass_time(PAST)
    await bus.put("other", b"z", LONG)
    assert await bus.get("k") == b"y"


async def test_ticket_is_taken_once(bus: Bus) -> None:
    await bus.put("ticket", b"user 7", LONG)
    taken = await asyncio.gather(*(bus.take("ticket") for _ in range(10)))
    assert sorted(taken, key=bool) == [None] * 9 + [b"user 7"]


async def test_uses_are_counted_per_window(bus: Bus, pass_time: PassTime) -> None:
    assert [await bus.count("k", SHORT) for _ in range(3)] == [1, 2, 3]
    assert await bus.count("other", SHORT) == 1
    await pass_time(PAST)
    assert await bus.count("k", SHORT) == 1


async def test_replay_is_seen_until_its_time_is_over(bus: Bus, pass_time: PassTime) -> None:
    assert await bus.add_once("nonce", SHORT)
    assert not await bus.add_once("nonce", SHORT)
    await pass_time(PAST)
    assert await bus.add_once("nonce", SHORT)


async def test_kinds_of_facts_do_not_meet(bus: Bus) -> None:
    await bus.put("same", b"x", LONG)
    assert await bus.count("same", LONG) == 1
    assert await bus.add_once("same", LONG)
    assert await bus.lease("same", LONG, "a") is not None
    assert await bus.get("same") == b"x"


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1)])
async def test_time_that_is_not_positive_is_a_mistake(bus: Bus, ttl: timedelta) -> None:
    for ask in (
        bus.put("k", b"", ttl),
        bus.lease("k", ttl, "a"),
        bus.count("k", ttl),
        bus.add_once("k", ttl),
        bus.share("a", {}, ttl),
    ):
        with pytest.raises(ValueError, match="positive"):
            await ask


# --- numbers that several holders make up together
# ------------------------------------------------------------------------------------


async def test_parts_of_all_holders_make_the_number(bus: Bus) -> None:
    first = await bus.share("a", {"n": Wanted(3), "m": Wanted(1)}, SHORT)
    assert first == (False, {"n": Part(3, 0), "m": Part(1, 0)})
    assert await bus.share("b", {"n": Wanted(4)}, SHORT) == (False, {"n": Part(4, 3)})
    assert await bus.share("a", {"n": Wanted(0), "x": Wanted(0)}, SHORT) == (
        True,
        {"n": Part(0, 4), "x": Part(0, 0)},
    )
    assert (await bus.share("b", {"n": Wanted(4)}, SHORT)).by_name["n"] == Part(4, 0)


async def test_what_does_not_fit_under_the_limit_is_not_given(bus: Bus) -> None:
    await bus.share("a", {"n": Wanted(7, 10)}, SHORT)
    assert (await bus.share("b", {"n": Wanted(5, 10)}, SHORT)).by_name["n"] == Part(3, 7)
    assert (await bus.share("b", {"n": Wanted(6, 10, least=3)}, SHORT)).by_name["n"] == Part(3, 7)
    assert (await bus.share("a", {"n": Wanted(9, 5, least=7)}, SHORT)).by_name["n"] == Part(7, 3)
    assert (await bus.share("c", {"n": Wanted(1, 10)}, SHORT)).by_name["n"] == Part(0, 10)


async def test_the_last_of_a_number_goes_to_one_holder(bus: Bus) -> None:
    await bus.share("a", {"n": Wanted(9)}, SHORT)
    asked = await asyncio.gather(*(bus.share(f"h{n}", {"n": Wanted(1, 10)}, SHORT) for n in range(10)))
    assert sorted(parts.by_name["n"].own for parts in asked) == [0] * 9 + [1]


async def test_parts_end_with_their_holder(bus: Bus, pass_time: PassTime) -> None:
    await bus.share("a", {"n": Wanted(3)}, SHORT)
    await bus.share("b", {"n": Wanted(4)}, LONG)
    await pass_time(PAST)
    assert (await bus.share("c", {"n": Wanted(1)}, SHORT)).by_name["n"] == Part(1, 4)
    assert await bus.share("a", {}, SHORT) == (False, {})
    await bus.withdraw("b")
    await bus.withdraw("b")
    assert (await bus.share("c", {"n": Wanted(1)}, SHORT)).by_name["n"] == Part(1, 0)


async def test_a_holder_that_says_nothing_new_keeps_its_parts(bus: Bus, pass_time: PassTime) -> None:
    await bus.share("a", {"n": Wanted(3)}, SHORT)
    await pass_time(SHORT / 2)
    assert await bus.share("a", {}, SHORT) == (True, {})
    await pass_time(SHORT * 0.6)
    assert (await bus.share("b", {"n": Wanted(0)}, SHORT)).by_name["n"] == Part(0, 3)


async def test_many_names_are_shared_and_drawn_from_at_once(bus: Bus) -> None:
    names = [f"n{n}" for n in range(MAX_NAMES)]
    made = await bus.share("a", {name: Wanted(n) for n, name in enumerate(names)}, SHORT)
    assert made.by_name == {name: Part(n, 0) for n, name in enumerate(names)}
    left = await bus.draw({name: Draw(1, 10_000) for name in names})
    assert set(left.values()) == {9_999.0}


async def test_a_bucket_is_full_at_first_and_fills_again(bus: Bus, pass_time: PassTime) -> None:
    assert await bus.draw({"a": Draw(3, 10), "b": Draw(0, 7)}) == {"a": 7.0, "b": 7.0}
    assert await bus.draw({"other": Draw(15, 10)}) == {"other": -5.0}
    again = (await bus.draw({"a": Draw(1, 10)}))["a"]
    assert 6.0 <= again <= 9.0
    await pass_time(timedelta(seconds=3))
    assert await bus.draw({"a": Draw(0, 10)}) == {"a": 10.0}


async def test_a_debt_is_no_larger_than_the_bucket(bus: Bus) -> None:
    assert await bus.draw({"k": Draw(1_000, 10)}) == {"k": -10.0}
    assert (await bus.draw({"k": Draw(0, 10)}))["k"] >= -10.0
