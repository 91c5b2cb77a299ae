"""What Parley is compared with, in a Python environment of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_REQUIREMENTS = HERE / "requirements.txt"
ENVIRONMENT = Path(sys.prefix) / "bench-peers"
"""Inside Parley's own environment folder, so that `make clean` removes it as well."""


def python() -> Path:
    """The interpreter that has the peers' packages; made at the first use.

    Raises:
        subprocess.CalledProcessError: the packages cannot be installed.
    """
    program = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing the peers' packages ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        install = [str(program), "-m", "pip", "install", "--quiet", "--requirement", str(_REQUIREMENTS)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return program
