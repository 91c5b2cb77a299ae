"""A throwaway server for the examples: started once, reached through the variables that the examples name."""

from __future__ import annotations

import json
import os
import re
import secrets
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_TIMEOUT_S = 120.0  # migrations and the demo meeting on a loaded two-core machine
STOP_TIMEOUT_S = 40.0


def _url_printed_by(server: subprocess.Popen[str]) -> str:
    """The first URL that the server prints, without its path."""
    assert server.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    seen: list[str] = []
    with selectors.DefaultSelector() as ready:
        ready.register(server.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and ready.select(left):
            line = server.stdout.readline()
            seen.append(line)
            if found := re.search(r"http://[\w.]+:[1-9]\d*", line):
                return found[0]
            if not line:
                break
    raise AssertionError(f"`parley serve` printed no URL:\n{''.join(seen)}")


def _app_keys(data: Path, environment: dict[str, str]) -> dict[str, str]:
    """Keys of the Real Time Block, made beside the running server."""
    command = ["parley", "keys", "create", "--dialect", "block", "--json", "--data", str(data)]
    made = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, timeout=START_TIMEOUT_S, check=True
    )
    keys = json.loads(made.stdout)
    return {"PARLEY_APP_KEY": keys["publishable_key"], "PARLEY_APP_SECRET": keys["secret_key"]}


@pytest.fixture(scope="session")
def example_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of an example: a running server as PARLEY_URL, PARLEY_ACCOUNT_ID and PARLEY_TOKEN, and the
    keys of an app as PARLEY_APP_KEY and PARLEY_APP_SECRET."""
    account, token = secrets.token_hex(16), secrets.token_urlsafe(32)
    programs = str(Path(sys.executable).parent)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    folder = tmp_path_factory.mktemp("parley")
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            [f"{programs}/parley", "serve", "--data", str(folder), "--host", "127.0.0.1", "--port", "0"],
            env={
                **environment,
                "PARLEY_BOOTSTRAP_ACCOUNT_ID": account,
                "PARLEY_BOOTSTRAP_TOKEN": token,
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        ) as server,
    ):
        try:
            try:
                url = _url_printed_by(server)
            except AssertionError as problem:
                raise AssertionError(f"{problem}\n{(folder / 'errors').read_text()}") from None
            yield {
                **environment,
                "PARLEY_URL": url,
                "PARLEY_ACCOUNT_ID": account,
                "PARLEY_TOKEN": token,
                **_app_keys(folder, environment),
            }
        finally:
            server.terminate()
            try:
                server.communicate(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
