"""Measure the figures to hold, and say which are held: `python -m bench [NAME...]`.

Without names every bench runs, one after the other, each in a process of its own: `--list` tells their names.
The status is 1 when a figure is missed or a bench fails, so that a script can tell.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop

from bench.figures import Figure, table

HERE = Path(__file__).parent
BENCHES = (
    "rest",
    "media_setup",
    "signalling",
    "memory",
    "store",
    "webhooks",
    "fanout",
    "realtime_durable",
    "realtime_sockets",
    "presence",
    "summary",
    "composite",
    "recorder",
    "livestream",
)
LONG = ("kills", "recording_kills")
"""These take too long to be run unless they are named. Options after the name of one bench are its own."""
IN_PRIVATE_NETWORK = {"livestream", "media_setup", "recorder", "recording_kills", "signalling"}
"""These need an interface for media."""
LIMIT_S = 600.0
"""Of one bench that is not long."""


def sentence(name: str) -> str:
    """What a bench measures: the first sentence of its module."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def run(name: str) -> list[Figure] | None:
    """Run a bench in a process of its own; None when it failed, which it has explained by then."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        result = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "bench", "--into", str(result), name]
        if name in IN_PRIVATE_NETWORK:
            command = [sys.executable, "-m", "tests.netns", *command]
        try:
            subprocess.run(command, check=True, timeout=None if name in LONG else LIMIT_S, cwd=HERE.parent)
            return msgspec.json.decode(result.read_bytes(), type=list[Figure])
        except (subprocess.SubprocessError, OSError) as failed:
            print(f"{name}: {failed}", file=sys.stderr)
            return None


def measure_here(name: str, into: Path) -> None:
    """Run a bench in this process and write its figures down."""
    found = importlib.import_module(f"bench.{name}").measure()
    figures = uvloop.run(found) if inspect.iscoroutine(found) else found
    into.write_bytes(msgspec.json.encode(figures))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", choices=[*BENCHES, *LONG, []], help="benches to run; all"
    )
    parser.add_argument("--list", action="store_true", help="only list the benches")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    given, options = parser.parse_known_args()
    if given.into:
        measure_here(given.names[0], given.into)
        return
    if options:
        if len(given.names) != 1:
            parser.error(f"options of a bench need its name: {' '.join(options)}")
        command = [sys.executable, "-m", f"bench.{given.names[0]}", *options]
        sys.exit(subprocess.run(command, check=False, cwd=HERE.parent).returncode)
    names = list(given.names or (*BENCHES, *(LONG if given.list else ())))
    width = max(map(len, names))
    for name in names:
        print(f"{name.ljust(width)}  {sentence(name)}")
    if given.list:
        return
    found: list[Figure] = []
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        figures = run(name)
        if figures is None:
            failed.append(name)
        else:
            found += figures
    print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} in the last minute\n")
    print(table(found))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    sys.exit(bool(failed or not all(figure.is_held for figure in found)))


if __name__ == "__main__":
    main()
