"""The command line as scripts and newcomers use it."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from parley import __version__
from parley.server.cli import main
from tests.server.process import ACCOUNT, TOKEN, parley, serving
from tests.wire.realtimekit.client.house import browser_of
from tests.wire.realtimekit.client.peer import Peer, Rejected

COMMANDS = ("serve", "doctor", "migrate", "keys", "demo", "version", "join")


async def meetings_status(url: str, token: str) -> int:
    async with browser_of(url) as http:
        path = f"/client/v4/accounts/{ACCOUNT}/realtime/kit/apps"
        async with http.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in COMMANDS), ("keys", "create"), ("keys", "revoke")]
)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*command, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith("Usage:")
    assert len(done.output.splitlines()) > 3


def test_help_names_every_command_and_variable() -> None:
    told = CliRunner().invoke(main, ["--help"]).output
    assert all(name in told for name in COMMANDS)
    assert "PARLEY_BOOTSTRAP_TOKEN" in CliRunner().invoke(main, ["serve", "--help"]).output


def _commands(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from _commands(command, context)


def test_every_option_says_what_it_is_for() -> None:
    context = click.Context(main)
    silent = [
        (command.name, option.name)
        for command in _commands(main, context)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "65536"),
        ("--port", "-1"),
        ("--public-url", "meet.example.org"),
        ("--redis-url", "redis.example.org"),
        ("--bootstrap-account-id", "a/b"),
        ("--bootstrap-account-id", "0" * 33),
        ("--token-days", "0"),
        ("--chat-file-mb", "0"),
        ("--rtp-ports", "many"),
        ("--rtp-ports", "20999-20000"),
        ("--rtp-ports", "60000-70000"),
        ("--coturn-port", "0"),
        ("--log-level", "loud"),
        ("--api-prefix", "client"),
        ("--storage-endpoint-of", "https://s3.example.org"),
        ("--storage-endpoint-of", "aws=s3.example.org"),
        ("--storage-endpoint-of", "sftp=https://s3.example.org"),
        ("--storage-endpoint-of", "aws=https://key:secret@s3.example.org"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(option: str, value: str) -> None:
    done = CliRunner().invoke(main, ["serve", f"{option}={value}"])
    assert done.exit_code == 2
    assert option in done.output
    assert "must be" in done.output


async def test_a_data_folder_that_cannot_be_is_said_in_a_sentence() -> None:
    done = await parley("serve", "--port", "0", "--data", "/dev/null/parley")
    assert done.code == 1
    assert "The data folder /dev/null/parley cannot be made" in done.err
    assert "Traceback" not in done.err


async def test_the_api_answers_below_the_prefix_and_to_the_headers_of_the_settings(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "data", "--api-prefix", "/api/v4", "--api-key-header") as server,
        browser_of(server.url) as http,
    ):
        headers = {"X-Auth-Email": "ada@example.org", "X-Auth-Key": TOKEN}
        path = f"/accounts/{ACCOUNT}/realtime/kit/apps"
        found = {}
        for prefix in ("", "/api/v4", "/client/v4"):
            async with http.get(prefix + path, headers=headers) as answer:
                found[prefix] = answer.status
        async with http.get("/docs/api/openapi.json") as answer:
            described = await answer.json()
    assert found == {"": 200, "/api/v4": 200, "/client/v4": 404}
    assert described["servers"] == [{"url": "/api/v4"}]
    assert f"{server.url.replace('127.0.0.1', 'localhost')}/api/v4" in server.log
    assert f"API tokens      parley keys create --data {tmp_path / 'data'}" in server.log


async def test_what_can_be_got_answers_head_without_content(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server, browser_of(server.url) as http:
        for path in ("/", "/health/ready", "/docs/api", "/.well-known/webhooks.json"):
            async with http.get(path) as whole, http.head(path) as head:
                assert (head.status, head.content_length) == (200, whole.content_length), path
                assert await head.read() == b""
        async with http.head("/v2/meetings/chat-upload") as refused:
            assert refused.status == 405


async def test_the_version_is_printed() -> None:
    assert (await parley("version")).out == f"parley {__version__}\n"
    assert __version__ in (await parley("--version")).out


async def test_a_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = await parley(
            "serve", "--data", str(tmp_path), "--no-media", "--port", str(taken.getsockname()[1])
        )
    assert done.code == 1
    assert "Cannot listen on 127.0.0.1" in done.err
    assert "--port" in done.err
    assert "Traceback" not in done.err


async def test_a_second_server_on_the_data_folder_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as first:
        done = await parley("serve", "--data", str(tmp_path / "data"), "--no-media", "--port", "0")
        assert done.code == 1
        assert "Another Parley server is using" in done.err
        assert "Traceback" not in done.err
        assert await meetings_status(first.url, TOKEN) == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_server_in_order(tmp_path: Path, how: signal.Signals) -> None:
    async with serving(tmp_path / "data") as server:
        code = await server.stop(how)
        assert code in (0, -how)
        assert "Traceback" not in server.log


async def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    async with serving(tmp_path / "data") as server:
        made = json.loads((await parley("keys", "create", "--data", data, "--name", "ci", "--json")).out)
        assert made["account_id"] == ACCOUNT
        assert await meetings_status(server.url, made["token"]) == 200

        listed = json.loads((await parley("keys", "list", "--data", data, "--json")).out)
        assert made["id"] in [key["id"] for key in listed]
        assert made["token"] not in json.dumps(listed)

        assert (await parley("keys", "revoke", made["id"], "--data", data)).code == 0
        assert await meetings_status(server.url, made["token"]) == 401
        assert await meetings_status(server.url, TOKEN) == 200
    unknown = await parley("keys", "revoke", "no-such-key", "--data", data)
    assert unknown.code == 1
    assert unknown.err.startswith("Error: ")


async def test_a_demo_meeting_of_the_command_line_can_be_joined(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        port = server.url.rpartition(":")[2]
        done = await parley("demo", "--data", str(tmp_path / "data"), "--port", port, "--json")
        made = json.loads(done.out)
        assert [link["role"] for link in made["links"]] == ["Host", "Participant", "Guest"]
        host = await Peer.join(server.url, made["links"][0]["token"])
        assert host.meeting_id == made["meeting_id"]
        assert made["links"][0]["url"].startswith(f"http://localhost:{port}/meet#token=")
        await host.close()


async def test_migrations_can_be_looked_at_first(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    dry = await parley("migrate", "--data", data, "--dry-run")
    assert dry.out.startswith("Pending: ")
    assert (await parley("migrate", "--data", data, "--dry-run")).out == dry.out
    assert "Done." in (await parley("migrate", "--data", data)).out
    assert (await parley("migrate", "--data", data)).out == "The database is up to date.\n"


async def test_the_doctor_tells_bad_from_good_by_its_exit_status(tmp_path: Path) -> None:
    here = ("doctor", "--data", str(tmp_path), "--port", "0", "--no-media", "--media-interfaces", "127.0.0.1")
    healthy = await parley(*here, "--tls")
    assert healthy.code == (1 if "FAIL" in healthy.out else 0)
    assert re.search(r"^ok +database ", healthy.out, re.MULTILINE)
    assert re.search(r"^ok +files +stored in the data folder", healthy.out, re.MULTILINE)
    chain = tmp_path / "tls" / "localhost.pem"
    assert re.search(rf"^ok +certificate +{chain}, valid until ", healthy.out, re.MULTILINE)
    ill = await parley(
        *here,
        *("--redis-url", f"unix://{tmp_path}/no.sock", "--public-url", "http://example.org"),
        *("--storage-url", "no-bucket"),
        *("--tls-certificate", str(chain), "--tls-key", str(chain.with_name("authority.key"))),
    )
    assert ill.code == 1
    assert "not https" in ill.out
    assert re.search(r"^FAIL +files ", ill.out, re.MULTILINE)
    assert re.search(r"^FAIL +certificate +.*not a certificate and its private key", ill.out, re.MULTILINE)
    assert ill.out.count("FAIL") > healthy.out.count("FAIL")


async def test_tokens_are_not_written_to_the_log(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", "--log-level", "debug") as server:
        demo = await parley("demo", "--data", str(tmp_path / "data"), "--json")
        token = json.loads(demo.out)["links"][0]["token"]
        peer = await Peer.join(server.url, token)
        with pytest.raises(Rejected):
            await Peer.connect(server.url, token, room_id="elsewhere")
        async with browser_of(server.url) as http:
            details = "/v2/internals/participant-details"
            async with http.get(details, headers={"Authorization": f"Bearer {token}"}) as answer:
                await answer.read()
            async with http.get(f"/nowhere?authToken={token}") as answer:
                await answer.read()
        await peer.close()
        await server.stop()
        assert token not in server.log
        assert token.split(".")[2] not in server.log
        assert TOKEN not in server.log
