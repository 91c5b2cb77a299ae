"""The RealtimeKit client protocol: what the official web SDK and UI kits speak (`rtk-client-protocol.md`).

    http.py     what a client asks before and beside its socket
    socket.py   one socket: envelopes in, answers and notices out
    verbs/      one module per service: request message → running meeting → answer message
    notices.py  what the running meeting tells its peers, as frames
    shapes.py   domain objects as protobuf messages

The schema is `rtk_client.proto`; `make proto` compiles it.
"""
