"""Run a command in a private network with one ordinary interface: `python -m tests.netns <command...>`.

Janus refuses loopback interfaces, and tests must neither depend on the machine's network nor be seen in
it. Inside there are `lo` and one end of a veth pair, 10.77.0.1/24, with the default route. Root enters
the network namespace directly; everybody else needs unprivileged user namespaces and stays who they are
(PostgreSQL refuses to run as root, even as a namespace's root). Where neither is permitted the command
runs in the present network, and tests that need media skip with the reason if that has no interface.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ADDRESS = "10.77.0.1"
_INSIDE = "PARLEY_TEST_NETWORK"
_TOOLS_PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
_SETUP = (
    "link set lo up",
    "link add v0 type veth peer name v1",
    f"addr add {ADDRESS}/24 dev v0",
    "link set v0 up",
    "link set v1 up",
    f"route add default via {ADDRESS} dev v0",
)


def is_inside() -> bool:
    """Whether this process runs in the private network."""
    return os.environ.get(_INSIDE) == ADDRESS


def missing_network() -> str | None:
    """Why media cannot flow here; None if it can."""
    if is_inside() or _has_default_route():
        return None
    return "no network interface with a default route; run through `python -m tests.netns`"


def _has_default_route() -> bool:
    try:
        rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    except OSError:
        return False
    return any(row[1] == "00000000" and row[0] != "lo" for row in rows)


def _unshare() -> list[str] | None:
    """The command that enters new namespaces; None if it is missing or forbidden here."""
    program = shutil.which("unshare", path=_TOOLS_PATH)
    if program is None or shutil.which("ip", path=_TOOLS_PATH) is None:
        return None
    argv = [program, "--net"]
    if os.geteuid() != 0:
        argv += ["--user", "--map-current-user", "--keep-caps"]
    probe = subprocess.run(
        [*argv, sys.executable, "-m", "tests.netns", "--probe"], capture_output=True, check=False
    )
    return argv if probe.returncode == 0 else None


def _set_up() -> None:
    ip = shutil.which("ip", path=_TOOLS_PATH) or "ip"
    for line in _SETUP:
        subprocess.run([ip, *line.split()], check=True)


def main(arguments: list[str]) -> None:
    """Replace this process by the command."""
    if not arguments:
        sys.exit("usage: python -m tests.netns <command...>")
    if arguments[0] == "--probe":
        _set_up()
        return
    os.environ["PATH"] = (
        f"{Path(sys.executable).parent}:{_TOOLS_PATH}"  # so that `pytest` is this environment's
    )
    if arguments[0] == "--inside":
        _set_up()
        os.environ[_INSIDE] = ADDRESS
        os.execvp(arguments[1], arguments[1:])
    enter = None if is_inside() else _unshare()
    if enter is None:
        if not is_inside():
            print("tests.netns: no namespace permitted, using the present network", file=sys.stderr)
        os.execvp(arguments[0], arguments)
    os.execv(enter[0], [*enter, sys.executable, "-m", "tests.netns", "--inside", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
