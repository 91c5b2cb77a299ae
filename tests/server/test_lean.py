"""What a server does not load, and what its logs do not show."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from parley.server.lean import without


def test_a_hidden_package_is_missing_inside_the_block_and_there_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parley_test_extra.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with without("parley_test_extra"), pytest.raises(ImportError):
        __import__("parley_test_extra")
    assert __import__("parley_test_extra").value == 1
    with without("parley_test_extra"):
        assert __import__("parley_test_extra").value == 1, "what is loaded stays"


async def ended(program: str, *arguments: str) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return out.decode(), err.decode()


async def test_a_started_server_has_loaded_nothing_for_a_first_start_or_for_looks(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
import parley.server.cli
from parley.base.settings import Settings
from parley.server.app import Parley

async def main():
    async with Parley(Settings(data=Path(sys.argv[1]), media=False), "http://localhost"):
        pass

asyncio.run(main())
print([name for name in sys.argv[2:] if name in sys.modules])
"""
    unused = ("alembic", "rich", "pydantic", "aiortc", "av", "asyncpg", "redis")
    out, err = await ended(program, str(tmp_path / "data"), *unused)
    assert out == "[]\n", err


@pytest.mark.parametrize("as_json", ["True", "False"])
async def test_a_logged_error_has_its_traceback_and_no_local_variables(as_json: str) -> None:
    program = f"""
from parley.server.logs import configure_logs
import structlog
configure_logs("info", as_json={as_json})

def fail(token):
    raise ValueError("broken")

try:
    fail("a-" + "secret")
except ValueError:
    structlog.get_logger("parley").exception("failed")
"""
    _, err = await ended(program)
    assert "in fail" in err
    assert "ValueError: broken" in err
    assert "a-secret" not in err
