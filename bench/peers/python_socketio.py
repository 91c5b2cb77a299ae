"""A room of python-socketio on uvicorn, as one would write it plainly. Prints its address."""
# mypy: ignore-errors
# (its packages are in another environment)

import socket

import socketio
import uvicorn

server = socketio.AsyncServer(
    async_mode="asgi", transports=["websocket"], ping_interval=300, ping_timeout=300, cors_allowed_origins="*"
)


@server.on("join")
async def join(sid, room):
    await server.enter_room(sid, room)
    return True


@server.on("publish")
async def publish(sid, room, message):
    await server.emit("message", message, room=room)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        socketio.ASGIApp(server),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_level="critical",
        loop="uvloop",
    )
    uvicorn.Server(config).run(sockets=[listener])
