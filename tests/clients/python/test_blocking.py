"""The twin for programs without asyncio."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from parley_realtime import InvalidToken, Message, NotFound, State
from parley_realtime.blocking import Client

from tests.clients.python.conftest import QUICK, Served

GENERATOR = Path(__file__).parents[3] / "clients" / "python" / "scripts" / "generate_blocking.py"
WAIT_S = 30.0


def test_the_generated_file_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, GENERATOR, "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_messages_are_sent_and_received(served: Served, name: str) -> None:
    with Client(
        served.url, api_key=served.publishable, user_token=served.user_token("ann"), options=QUICK
    ) as client:
        welcome = client.realtime.connect()
        assert welcome.user_id == "ann"
        channel = client.realtime.subscribe(f"chat:{name}")
        with channel.listen() as stream:
            for number in range(3):
                channel.send(number)
            found = [next(stream) for _ in range(3)]
        assert [item.data for item in found if isinstance(item, Message)] == [0, 1, 2]
        assert [one.data for one in channel.history.fetch(order="asc")] == [0, 1, 2]
        assert channel.presence.enter({"name": "Ann"}).user_id == "ann"
        assert channel.messages.mark_as_read(found[0].id).user_id == "ann"
        assert client.realtime.state is State.CONNECTED
    assert threading.active_count() == len(threading.enumerate())
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("parley")]


def test_handlers_may_make_calls(served: Served, name: str) -> None:
    with Client(
        served.url, api_key=served.publishable, user_token=served.user_token("ann"), options=QUICK
    ) as client:
        client.realtime.connect()
        channel = client.realtime.subscribe(f"chat:{name}")
        heard = threading.Event()

        def answer(message: Message) -> None:
            channel.send({"answer": message.data}, event="pong")

        channel.on("ping", answer)
        remove = channel.on("pong", lambda _: heard.set())
        channel.send(1, event="ping")
        assert heard.wait(WAIT_S)
        remove()


def test_a_stream_ends_for_its_reader(served: Served, name: str) -> None:
    with Client(
        served.url, api_key=served.publishable, user_token=served.user_token("ann"), options=QUICK
    ) as client:
        client.realtime.connect()
        stream = client.realtime.subscribe(f"chat:{name}").listen()
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.extend(stream))
        reader.start()
        client.realtime.channel(f"chat:{name}").send("last words")
        client.realtime.disconnect()
        reader.join(WAIT_S)
        assert not reader.is_alive()
    assert [type(item) for item in found] == [Message]


def test_a_server_publishes(served: Served, name: str) -> None:
    with Client(served.url, secret_key=served.secret) as client:
        assert client.publish(f"chat:{name}", 1).offset == 1
        with pytest.raises(NotFound):
            client.mark_as_read(f"chat:{name}", "msg_0000000000001aaaaaaaaa", user_id="ann")


def test_a_plain_function_may_be_the_source_of_tokens(served: Served) -> None:
    with Client(served.url, api_key=served.publishable, options=QUICK) as client:
        client.realtime.connect(source=lambda: served.user_token("ann"))
        assert client.realtime.is_connected


def test_errors_are_those_of_the_original(served: Served) -> None:
    with Client(served.url, options=QUICK) as client, pytest.raises(InvalidToken):
        client.realtime.connect("wrong")


def test_after_the_end_calls_fail() -> None:
    client = Client("http://127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError):
        client.publish("chat:a", 1)
