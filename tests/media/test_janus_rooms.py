"""Real browsers through a real Janus, in the way the RealtimeKit client uses its two connections."""

from __future__ import annotations

import asyncio

import pytest

from parley.media.janus import receiver
from parley.media.ports import BadDescription, Layer, Source, TransportGone
from tests.media.browser import until

pytestmark = [pytest.mark.media, pytest.mark.asyncio(loop_scope="module")]


async def test_audio_and_video_arrive(join):
    publisher, viewer = await join()
    microphone, camera = await publisher.publish("audio"), await publisher.publish("video")

    subscription = await viewer.consume(microphone, camera)

    assert subscription.missing == []
    await viewer.wait_for_more(subscription.mids[microphone], "packets")
    await viewer.wait_for_more(subscription.mids[camera])


async def test_missing_sources_do_not_fail_the_others(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    stranger, no_such_section = Source("nobody", "3"), Source(camera.transport_id, "77")

    subscription = await viewer.consume(stranger, camera, no_such_section)

    assert subscription.missing == [stranger, no_such_section]
    await viewer.wait_for_more(subscription.mids[camera])


async def test_only_missing_sources_make_no_offer(join):
    _, viewer = await join()

    subscription = await viewer.receiver.subscribe([Source("nobody", "3")])

    assert subscription.offer_sdp is None
    assert subscription.mids == {}


async def test_closed_consumer_can_be_consumed_again(join):
    """The client closes by an offer of its own; Janus then uses the same section again."""
    publisher, viewer = await join()
    microphone, camera = await publisher.publish("audio"), await publisher.publish("video")
    mids = (await viewer.consume(microphone, camera)).mids
    await viewer.wait_for_more(mids[camera])

    await viewer.close_consumers([mids[camera]])
    await viewer.wait_for_more(mids[microphone], "packets")
    again = (await viewer.consume(camera)).mids

    assert again == {camera: mids[camera]}
    await viewer.wait_for_more(again[camera])


async def test_section_of_a_closed_consumer_takes_another_source(join):
    publisher, viewer = await join()
    first = await publisher.publish("video")
    mids = (await viewer.consume(first)).mids
    await viewer.wait_for_more(mids[first])
    await viewer.close_consumers([mids[first]])
    await publisher.unpublish(first)
    second = await publisher.publish("video")

    again = (await viewer.consume(second)).mids

    assert again[second] == mids[first]
    await viewer.wait_for_more(again[second])


async def test_all_consumers_closed_and_consumed_again(join):
    publisher, viewer = await join()
    sources = [await publisher.publish("audio"), await publisher.publish("video")]
    for _ in range(3):
        mids = (await viewer.consume(*sources)).mids
        await viewer.wait_for_more(mids[sources[1]])
        await viewer.close_consumers(list(mids.values()))

    assert len(await viewer.page.evaluate("peer.receive.localDescription.sdp.match(/^m=/mg)")) == 4


async def test_unpublished_source_is_missing(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    await publisher.unpublish(camera)

    subscription = await viewer.receiver.subscribe([camera])

    assert subscription.missing == [camera]


async def test_source_of_a_closed_transport_is_missing_and_others_go_on(join, open_peer, room):
    publisher, viewer = await join()
    leaver = await open_peer("carol")
    await leaver.open_sender(room)
    staying, leaving = await publisher.publish("video"), await leaver.publish("video")
    mids = (await viewer.consume(staying, leaving)).mids
    await leaver.sender.close()

    await viewer.close_consumers([mids[leaving]])
    subscription = await viewer.receiver.subscribe([leaving])

    assert subscription.missing == [leaving]
    await viewer.wait_for_more(mids[staying])


async def test_source_consumed_twice_keeps_its_section_without_an_offer(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    first = await viewer.consume(camera)

    second = await viewer.consume(camera)

    assert second.offer_sdp is None
    assert second.mids == first.mids


async def test_layer_switch_changes_the_picture_size(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video", simulcast=True)
    mid = (await viewer.consume(camera)).mids[camera]

    for layer, rid in ((Layer.QUARTER, "q"), (Layer.FULL, "f"), (Layer.HALF, "h")):
        await viewer.receiver.prefer_layer(mid, layer)

        async def other_width(rid: str = rid) -> str:
            got, sent = (await viewer.received(mid))["width"], await publisher.call("sentWidths")
            return "" if got == sent.get(rid) else f"wants layer {rid}, got {got} pixels; sent are {sent}"

        await until(other_width, 30)


async def test_muted_section_is_not_forwarded_until_unmuted(join):
    publisher, viewer = await join()
    camera, microphone = await publisher.publish("video"), await publisher.publish("audio")
    mids = (await viewer.consume(camera, microphone)).mids
    await viewer.wait_for_more(mids[camera])

    await publisher.sender.set_muted(camera.mid, True)
    await viewer.wait_for_more(mids[microphone], "packets", 10)  # what was under way has arrived
    before = (await viewer.received(mids[camera]))["packets"]
    await viewer.wait_for_more(mids[microphone], "packets", 30)
    assert (await viewer.received(mids[camera]))["packets"] == before

    await publisher.sender.set_muted(camera.mid, False)
    await viewer.wait_for_more(mids[camera])


async def test_key_frame_request_reaches_the_publisher(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    mid = (await viewer.consume(camera)).mids[camera]
    await viewer.wait_for_more(mid)
    count = (
        "async () => [...(await peer.send.getStats()).values()]"
        ".filter(s => s.type === 'outbound-rtp')"
        ".reduce((n, s) => n + (s.pliCount ?? 0) + (s.firCount ?? 0), 0)"
    )
    before = await publisher.page.evaluate(count)

    await publisher.sender.request_key_frame()

    async def reason() -> str:
        return "" if await publisher.page.evaluate(count) > before else "no request arrived"

    await until(reason)


async def test_next_subscription_waits_for_the_answer_to_the_one_before(join):
    publisher, viewer = await join()
    camera, microphone = await publisher.publish("video"), await publisher.publish("audio")
    first = await viewer.receiver.subscribe([camera])

    second = asyncio.create_task(viewer.receiver.subscribe([microphone]))
    await asyncio.wait({second}, timeout=0.2)
    assert not second.done()
    await viewer.receiver.accept(await viewer.call("consume", first.offer_sdp))

    await viewer.receiver.accept(await viewer.call("consume", (await second).offer_sdp))
    await viewer.wait_for_more((await second).mids[microphone], "packets")


async def test_unanswered_offer_is_repeated(join, monkeypatch):
    """A client whose socket broke between offer and answer asks for the same source again."""
    monkeypatch.setattr(receiver, "ANSWER_TIMEOUT_S", 0.05)
    publisher, viewer = await join()
    camera, microphone = await publisher.publish("video"), await publisher.publish("audio")
    lost = await viewer.receiver.subscribe([camera])

    again = await viewer.consume(camera, microphone)

    assert again.mids[camera] == lost.mids[camera]
    await viewer.wait_for_more(again.mids[camera])
    await viewer.wait_for_more(again.mids[microphone], "packets")


async def test_source_offered_in_vain_can_be_consumed_after_closing_another(join, monkeypatch):
    """The client's own offer does not have the section it never answered; the source is offered anew."""
    monkeypatch.setattr(receiver, "ANSWER_TIMEOUT_S", 0.05)
    publisher, viewer = await join()
    camera, microphone = await publisher.publish("video"), await publisher.publish("audio")
    audio_mid = (await viewer.consume(microphone)).mids[microphone]
    await viewer.receiver.subscribe([camera])

    await viewer.close_consumers([audio_mid])
    mids = (await viewer.consume(camera, microphone)).mids

    await viewer.wait_for_more(mids[camera])
    await viewer.wait_for_more(mids[microphone], "packets")


async def test_answer_without_an_offer_is_refused(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    subscription = await viewer.receiver.subscribe([camera])
    answer = await viewer.call("consume", subscription.offer_sdp)
    await viewer.receiver.accept(answer)

    with pytest.raises(BadDescription, match="no offer"):
        await viewer.receiver.accept(answer)


async def test_unusable_answer_can_be_followed_by_the_right_one(join):
    publisher, viewer = await join()
    camera = await publisher.publish("video")
    subscription = await viewer.receiver.subscribe([camera])
    answer = await viewer.call("consume", subscription.offer_sdp)
    shortened = answer[: answer.rindex("m=video")].replace("BUNDLE 0 1 2", "BUNDLE 0 1")

    for wrong in ("nonsense", shortened, subscription.offer_sdp):
        with pytest.raises(BadDescription):
            await viewer.receiver.accept(wrong)
    await viewer.receiver.accept(answer)

    await viewer.wait_for_more(subscription.mids[camera])


async def test_closing_the_browser_connection_is_told_once(join):
    publisher, viewer = await join()
    await publisher.publish("audio")

    async def connected() -> str:
        states = [
            await p.page.evaluate(f"peer.{w}.connectionState")
            for p, w in ((publisher, "send"), (viewer, "receive"))
        ]
        return "" if states == ["connected"] * 2 else f"states are {states}"

    await until(connected)
    await publisher.page.evaluate("peer.send.close()")
    await viewer.page.evaluate("peer.receive.close()")

    async def told() -> str:
        return "" if publisher.closed and viewer.closed else "not told"

    await until(told)
    assert (publisher.closed, viewer.closed) == (["sender"], ["receiver"])
    with pytest.raises(TransportGone):
        await publisher.sender.request_key_frame()


async def test_own_close_is_silent_and_may_be_repeated(join, engine):
    publisher, viewer = await join()
    before = engine.status().transports

    for _ in range(2):
        await publisher.sender.close()
        await viewer.receiver.close()

    assert engine.status().transports == before - 2
    assert publisher.closed == viewer.closed == []
    with pytest.raises(TransportGone):
        await viewer.receiver.subscribe([Source("nobody", "1")])


async def test_closing_the_receiver_releases_who_waits_for_its_turn(join):
    publisher, viewer = await join()
    camera, microphone = await publisher.publish("video"), await publisher.publish("audio")
    await viewer.receiver.subscribe([camera])
    waiting = asyncio.create_task(viewer.receiver.subscribe([microphone]))

    await viewer.receiver.close()

    with pytest.raises(TransportGone):
        await waiting


async def test_refused_offer_leaves_no_transport(open_peer, room, engine):
    viewer = await open_peer("bob")
    before = engine.status().transports
    offer = await viewer.call("openReceiver")

    with pytest.raises(BadDescription):
        await room.open_receiver(offer.replace("opus", "speex"), label="bob", on_closed=lambda: None)

    assert engine.status().transports == before
