"""REST on SQLite: creating a meeting and listing 20, against the same endpoints in FastAPI and pydantic.

    python -m bench.rest [--seconds 2] [--rounds 5]

Parley is `parley serve` with its real handlers; the other is `bench/peers/fastapi_rest.py` on a copy of the
same database, with the same driver, the same durability (`synchronous=FULL`) and the same checks. 32
keep-alive connections on loopback, one server at a time, rounds in turn. The figure is requests per
CPU-second of the server, medians of the rounds; both latencies are Parley's.

Both are applications of the same size: the peer declares every path of Parley's RealtimeKit API, in the same
order, though only the two that are measured do anything there. Both are among the first, which is as good as
it gets for FastAPI, which tries one route after the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import apsw
import uvloop

from bench import load, peers
from bench.figures import Figure, table
from bench.load import Load
from bench.server import ParleyServer, Server, parley, process
from parley.wire.realtimekit.api import endpoints

FLAGS = ("--no-media", "--no-rate-limits", "--no-demo", "--log-level", "warning")
ROWS = 20
IN_DATABASE = 100
WARM_UP_S = 0.5
AT_LEAST = {"create": 3.0, "list": 3.5}
P99_IN_P50 = 5.0
MEETING: dict[str, Any] = {
    "title": "Weekly planning of the bench",
    "record_on_start": False,
    "live_stream_on_start": False,
    "persist_chat": True,
    "session_keep_alive_time_in_secs": 120,
    "summarize_on_end": True,
    "transcribe_on_end": True,
    "recording_config": {
        "max_seconds": 3600,
        "file_name_prefix": "planning",
        "audio_config": {"codec": "AAC", "channel": "stereo", "export_file": True},
        "video_config": {"codec": "H264", "width": 1280, "height": 720, "export_file": True},
    },
    "ai_config": {
        "transcription": {"language": "en-US", "keywords": ["Parley", "bench"], "profanity_filter": False},
        "summarization": {"word_limit": 300, "text_format": "markdown", "summary_type": "team_meeting"},
    },
}


def _ask(server: ParleyServer, port: int, method: str, path: str, body: Any = None) -> Any:
    """One request to the API of either server."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/client/v4/accounts/{server.account_id}/realtime/kit{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _prepare(server: ParleyServer) -> tuple[str, str]:
    """Two apps: one with meetings to list, one to create meetings in."""
    listed, filled = (
        _ask(server, server.port, "POST", "/apps", {"name": name}) for name in ("list", "create")
    )
    ids = listed["data"]["app"]["id"], filled["data"]["app"]["id"]
    for number in range(IN_DATABASE):
        _ask(server, server.port, "POST", f"/{ids[0]}/meetings", MEETING | {"title": f"Meeting {number}"})
    return ids


def _same_answers(server: ParleyServer, peer: Server, app: str) -> None:
    """Both list the same meetings with the same members; otherwise nothing here could be compared."""
    path = f"/{app}/meetings?per_page={ROWS}"
    ours, theirs = (_ask(server, port, "GET", path)["data"] for port in (server.port, peer.port))
    assert len(ours) == ROWS, "the list is too short"
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys(), one.keys() ^ other.keys()
        assert {k: v for k, v in one.items() if k[-3:] != "_at"} == {
            k: v for k, v in other.items() if k[-3:] != "_at"
        }


async def measure(seconds: float = 2.0, rounds: int = 5) -> list[Figure]:
    """Run everything."""
    interpreter = peers.python()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        data, copy = Path(name) / "parley", Path(name) / "peer.sqlite3"
        async with parley(data, *FLAGS) as server:
            listed, filled = _prepare(server)
        apsw.Connection(str(data / "parley.db")).execute("VACUUM INTO ?", (str(copy),))
        routes = Path(name) / "routes.json"
        routes.write_text(json.dumps([(each.method, each.path) for each in endpoints()]))
        code = [str(interpreter), str(peers.HERE / "fastapi_rest.py"), str(copy), str(routes)]
        async with (
            parley(data, *FLAGS, account=(server.account_id, server.token)) as server,
            process(code, {}, Path(name) / "peer.log") as peer,
        ):
            _same_answers(server, peer, listed)
            base = f"/client/v4/accounts/{server.account_id}/realtime/kit"
            headers = {"Authorization": f"Bearer {server.token}"}
            body = json.dumps(MEETING).encode()
            payloads = {
                "create": (201, load.request("POST", f"{base}/{filled}/meetings", headers, body)),
                "list": (200, load.request("GET", f"{base}/{listed}/meetings?per_page={ROWS}", headers)),
            }
            figures: list[Figure] = []
            for what, (status, payload) in payloads.items():
                found: dict[int, list[Load]] = {server.pid: [], peer.pid: []}
                for number in range(rounds + 1):
                    for each in (server, peer):
                        time_s = seconds if number else WARM_UP_S
                        got = await load.run(each.port, each.pid, payload, status=status, seconds=time_s)
                        if number:
                            found[each.pid].append(got)
                figures += _figures(what, found[server.pid], found[peer.pid])
            return figures


def _figures(what: str, ours: list[Load], theirs: list[Load]) -> list[Figure]:
    rate, peer_rate = (statistics.median(each.per_cpu_s for each in runs) for runs in (ours, theirs))
    p50, p99 = (
        statistics.median(values) for values in zip(*((r.p50_ms, r.p99_ms) for r in ours), strict=True)
    )
    peer_p99 = statistics.median(run.p99_ms for run in theirs)
    return [
        Figure(
            name=f"REST {what}, of FastAPI + pydantic",
            value=rate / peer_rate,
            at_least=AT_LEAST[what],
            detail=f"{rate:,.0f} against {peer_rate:,.0f} requests per CPU-second",
        ),
        Figure(
            name=f"REST {what}, p99 of p50",
            value=p99 / p50,
            at_most=P99_IN_P50,
            detail=f"{p50:.1f} and {p99:.1f} ms (peer's p99: {peer_p99:.1f} ms)",
        ),
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.seconds, options.rounds))))


if __name__ == "__main__":
    main()
