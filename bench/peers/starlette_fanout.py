"""A channel of WebSockets as one would write it plainly in Starlette. Prints its address."""
# mypy: ignore-errors
# (its packages are in another environment)

import contextlib
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

members = set()


async def endpoint(websocket):
    await websocket.accept()
    if websocket.url.query != "publish":
        members.add(websocket)
    with contextlib.suppress(Exception):
        while True:
            text = await websocket.receive_text()
            for member in list(members):
                await member.send_text(text)
    members.discard(websocket)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        Starlette(routes=[WebSocketRoute("/ws", endpoint)]),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_level="critical",
        loop="uvloop",
    )
    uvicorn.Server(config).run(sockets=[listener])
