"""Committed files that a program wrote are what it would write now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "src" / "parley" / "wire" / "realtimekit" / "client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client schema compiled anew."""
    folder = tmp_path_factory.mktemp("proto")
    programs = str(Path(sys.executable).parent)
    subprocess.run(
        [ROOT / "scripts" / "generate_proto.sh", folder],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=60,
    )
    return folder


@pytest.mark.parametrize("name", ["rtk_client_pb2.py", "rtk_client_pb2.pyi"])
def test_client_schema_is_compiled(generated: Path, name: str) -> None:
    assert (generated / name).read_text() == (CLIENT / name).read_text(), "run `make proto`"
