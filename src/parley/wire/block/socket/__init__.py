"""The WebSocket of the Real Time Block (`realtime-block.md` 6 to 9).

    server.py      all sockets of this process     connection.py   one of them: frames in order, answers
    opening.py     who connects, and resuming      session.py      what a client gets back
    frames.py      every frame, in and out         verbs.py        what a client may ask of a channel

A connection that ends without a goodbye leaves its session for `session.KEPT_S`: the client gives its resume
token and gets its channels, what it missed on them, and its place among the members.
"""
