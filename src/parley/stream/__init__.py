"""Live connections, whatever the dialect: sockets, server-sent events, fan-out, positions.

`websocket.websocket_protocol` makes the class that uvicorn takes as `ws=`; `http.HttpProtocol` the one it
takes as `http=`, which `sse` needs. `hub.Hub` writes one prepared frame to every member of a topic.

Promises: nothing here ever waits for a reader. A frame is encoded once, the frames of one turn of the event
loop leave in one write, and a reader that falls behind leaves its topics, is told so, and is cut off when it
does not recover. Everything runs in one event loop; no call is thread-safe.

Shutdown: uvicorn tells every connection; sockets get close code 1012, streams end, and each is given a
bounded time.
"""
