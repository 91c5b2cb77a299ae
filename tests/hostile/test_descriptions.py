"""Session descriptions that no browser writes, sent by somebody inside a meeting to a real media engine.

Each is answered: with a refusal that says why, or, where it can be negotiated after all, with success. The
engine goes on, and what others send each other goes on flowing.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.message import Message

from parley.headless.client import HeadlessClient
from parley.headless.descriptions import Credentials, write
from parley.headless.sources import NOTHING, tone_source
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media
from tests.headless.conftest import Server, serving
from tests.headless.test_engine_restart import janus_of
from tests.hostile.descriptions import GOOD, NEGOTIABLE, PAIR, REFUSED, mangled
from tests.netns import missing_network
from tests.waiting import until
from tests.wire.realtimekit.client.peer import Peer, Refused
from tests.wire.realtimekit.client.studio import CREDENTIALS, Studio

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nothing else of the test run uses."""
    if (reason := missing_network()) is not None or shutil.which("janus") is None:
        pytest.skip(reason or "janus is not installed")
    with serving(tmp_path_factory.mktemp("hostile"), "--rtp-ports", "47500-47999") as running:
        yield running


class Scene:
    """Two people who send and watch, and one who attacks."""

    def __init__(self, server: Server, viewer: HeadlessClient, attacker: Peer) -> None:
        self.engine = janus_of(server)
        self._server = server
        self._viewer = viewer
        self.attacker = attacker

    def _frames(self) -> dict[str, int]:
        totals = self._viewer.totals()
        return {kind: sum(t.frames for t in totals if t.kind == kind) for kind in ("audio", "video")}

    async def check(self, after: str) -> None:
        """The engine is the same, media of the others flows, and the attacker itself may go on."""
        before = self._frames()
        assert janus_of(self._server) == self.engine, f"the engine died of {after}"

        def stuck() -> str:
            now = self._frames()
            return "" if all(now[kind] > before[kind] for kind in now) else f"nothing flows after {after}"

        await until(stuck)
        assert self.attacker.is_open, f"cut off after {after}"
        await Studio.open(self.attacker)

    async def outcome(self, event: int, message: Message, what: str) -> str:
        """How a request ends: `done`, or the code of a refusal in the shape that clients read."""
        try:
            await self.attacker.ask(event, message)
        except Refused as refused:
            answer = refused
        else:
            return "done"
        assert answer.event == Media.FAILED, what
        body = json.loads(answer.text)
        assert set(body) == {"errorCode", "errorDescription"}, what
        assert body["errorDescription"], what
        assert len(answer.text) < 2_000, f"{what}: the refusal repeats what it was sent"
        assert body["errorCode"] not in ("internal_error", "timeout"), f"{what}: {body}"
        return str(body["errorCode"])


@pytest_asyncio.fixture
async def scene(own_server: Server) -> AsyncIterator[Scene]:
    tokens = own_server.meeting()
    speaker = HeadlessClient(
        tokens["Host"], own_server.url, name="Speaker", media=await tone_source("Speaker", 0)
    )
    viewer = HeadlessClient(tokens["Participant"], own_server.url, name="Viewer", media=NOTHING)
    async with speaker, viewer:
        attacker = await Peer.join(own_server.url, tokens["Participant"])
        made = Scene(own_server, viewer, attacker)
        await made.check("nothing")
        yield made
        await attacker.close()


def log_of(server: Server) -> str:
    """What the server printed since it began."""
    return Path(f"/proc/{server.pid}/fd/1").read_text()


def described(sdp: str, kind: str = "offer") -> pb.MediaSessionDescription:
    return pb.MediaSessionDescription(type=kind, sdp=sdp)


Request = Callable[[str], tuple[int, Message]]
REQUESTS: dict[str, Request] = {
    "send": lambda sdp: (
        Media.CREATE_TRANSPORT,
        pb.MediaCreateTransportRequest(description=described(sdp)),
    ),
    "receive": lambda sdp: (
        Media.CREATE_TRANSPORT,
        pb.MediaCreateTransportRequest(description=described(sdp), consuming=True),
    ),
    "produce": lambda sdp: (
        Media.PRODUCE,
        pb.EdgeProducerCreateRequest(description=described(sdp), kind="video", app_data='{"mid":"1"}'),
    ),
    "close stream": lambda sdp: (
        Media.CLOSE_PRODUCER,
        pb.EdgeProducerCloseRequest(description=described(sdp), producer_id="none"),
    ),
    "close watching": lambda sdp: (
        Media.CLOSE_CONSUMER,
        pb.EdgeConsumerCloseRequest(description=described(sdp), consumer_ids=["1", "\0", "x" * 1000]),
    ),
    "answer": lambda sdp: (
        Media.RENEGOTIATE,
        pb.MediaRenegotiateRequest(description=described(sdp, "answer")),
    ),
}


async def open_both(scene: Scene) -> None:
    """Good transports for the attacker, so that later requests reach the engine."""
    await Studio.open(scene.attacker)
    assert await scene.outcome(*REQUESTS["receive"](GOOD), "a good offer") == "done"


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_what_cannot_be_negotiated_is_refused_and_harms_nobody(scene: Scene, request_name: str) -> None:
    await open_both(scene)
    for what, sdp in REFUSED.items():
        code = await scene.outcome(*REQUESTS[request_name](sdp), f"{request_name}: {what}")
        assert code == "bad_session_description", f"{request_name}: {what} was answered with {code}"
    await scene.check(request_name)


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_what_is_strange_is_answered_and_harms_nobody(
    scene: Scene, own_server: Server, request_name: str
) -> None:
    for what, sdp in NEGOTIABLE.items():
        await open_both(scene)
        await scene.outcome(*REQUESTS[request_name](sdp), f"{request_name}: {what}")
    await scene.check(request_name)
    assert "Traceback" not in log_of(own_server)


@pytest.mark.parametrize("seed", range(3))
async def test_random_accidents_harm_nobody(scene: Scene, own_server: Server, seed: int) -> None:
    rng = random.Random(seed)
    outcomes = set()
    for number in range(60):
        if number % 10 == 0:
            await open_both(scene)
        name = rng.choice(list(REQUESTS))
        sdp = mangled(rng)
        outcomes.add(await scene.outcome(*REQUESTS[name](sdp), f"{name}: {sdp!r}"))
    assert {"done", "bad_session_description"} <= outcomes
    await scene.check(f"accidents of seed {seed}")
    assert "Traceback" not in log_of(own_server)


async def test_a_wrong_answer_is_refused_and_the_offer_is_made_again(scene: Scene) -> None:
    await open_both(scene)
    others = (await scene.attacker.ask(Media.JOIN_COMPLETE)).participants
    (camera,) = [
        state.producer_id
        for other in others
        for state in other.producer_states
        if state.kind == pb.MEDIA_PRODUCER_KIND_VIDEO
    ]
    wanted = pb.EdgeConsumePeersRequest(requests=[pb.EdgeConsumePeerRequest(producer_id=camera)])
    offer = (await scene.attacker.ask(Media.CONSUME, wanted)).description.sdp
    assert "m=video" in offer
    for what, sdp in REFUSED.items():
        code = await scene.outcome(*REQUESTS["answer"](sdp), f"answer: {what}")
        assert code == "bad_session_description", what
    assert (await scene.attacker.ask(Media.CONSUME, wanted)).description.sdp == offer
    await scene.check("wrong answers")


async def test_credentials_of_nobody_leave_the_others_alone(scene: Scene) -> None:
    """Transports that never connect, replaced again and again."""
    for number in range(30):
        credentials = Credentials(f"u{number:04}", "p" * 24, CREDENTIALS.fingerprint)
        sdp = write(credentials, PAIR, setup="actpass", version=1)
        for name in ("send", "receive"):
            assert await scene.outcome(*REQUESTS[name](sdp), name) == "done"
    await scene.check("many transports")
