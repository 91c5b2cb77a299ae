"""What others install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3] / "clients" / "python"


def test_the_wheel_holds_the_package_its_types_and_its_licence(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    build = "import os, sys, hatchling.build as b; os.chdir(sys.argv[1]); print(b.build_wheel(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-c", build, PROJECT, tmp_path], check=True, capture_output=True, text=True
    )
    with zipfile.ZipFile(tmp_path / done.stdout.strip().splitlines()[-1]) as wheel:
        names = set(wheel.namelist())
    modules = {f"parley_realtime/{path.name}" for path in (PROJECT / "src" / "parley_realtime").glob("*.py")}
    assert modules | {"parley_realtime/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith(("parley_realtime/", "parley_realtime-"))]
