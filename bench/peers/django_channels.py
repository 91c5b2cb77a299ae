"""A group of Django Channels with its in-memory layer, as one would write it plainly. Prints its address."""
# mypy: ignore-errors
# (its packages are in another environment)

import socket

import django
import uvicorn
from django.conf import settings

settings.configure(
    SECRET_KEY="bench",
    CHANNEL_LAYERS={
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}
    },
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - after the settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402


class Consumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.listens = self.scope["query_string"] != b"publish"
        if self.listens:
            await self.channel_layer.group_add("t", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        if self.listens:
            await self.channel_layer.group_discard("t", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("t", {"type": "told", "text": text_data})

    async def told(self, event):
        await self.send(text_data=event["text"])


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        ProtocolTypeRouter({"websocket": URLRouter([re_path(r"^ws$", Consumer.as_asgi())])}),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_level="critical",
        loop="uvloop",
    )
    uvicorn.Server(config).run(sockets=[listener])
