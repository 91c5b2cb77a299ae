"""Connections for protocols other than HTTP, to addresses that somebody outside the program chose."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

from parley.outgoing.http import REFUSED, OutgoingPolicy
from parley.outgoing.ports import AddressRefused, OutgoingError

CLOSE_S = 5.0


async def open_socket(policy: OutgoingPolicy, host: str, port: int, *, timeout_s: float) -> socket.socket:
    """A connected, non-blocking TCP socket; every address the name stands for now is tried in turn.

    Args:
        policy: looked at for each address, after name resolution.
        host: a name or a number.
        port: of TCP.
        timeout_s: for all of it.

    Raises:
        AddressRefused: the policy forbids every address of the host.
        OutgoingError: unknown name, or nobody answers.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await _addresses(host, port)
            allowed = [one for one in found if policy.allows(ip_address(str(one[4][0]).partition("%")[0]))]
            if not allowed:
                raise AddressRefused(REFUSED)
            for number, (family, kind, proto, _, address) in enumerate(allowed, 1):
                opened = socket.socket(family, kind, proto)
                try:
                    opened.setblocking(False)
                    await loop.sock_connect(opened, address)
                except OSError as failed:
                    opened.close()
                    if number == len(allowed):
                        why = os.strerror(failed.errno) if failed.errno else str(failed)
                        raise OutgoingError(why, may_have_arrived=False) from failed
                except BaseException:
                    opened.close()
                    raise
                else:
                    return opened
    except TimeoutError as late:
        raise OutgoingError(f"no answer within {timeout_s:g} s", may_have_arrived=False) from late
    raise OutgoingError("the name has no address", may_have_arrived=False)


async def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    # A thread of its own: a name server that does not answer must not take those in which commits run.
    thread = ThreadPoolExecutor(1, thread_name_prefix="outgoing-dns")
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(thread, look)
    except (OSError, UnicodeError) as unknown:
        why = unknown.strerror if isinstance(unknown, OSError) else "not a host name"
        raise OutgoingError(f"the name cannot be resolved: {why}", may_have_arrived=False) from unknown
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
    return list(found)


async def close_writer(writer: asyncio.StreamWriter) -> None:
    """Close a stream, whatever state it is in; what a peer does not take within `CLOSE_S` is dropped."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
