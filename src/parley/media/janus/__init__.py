"""Janus VideoRoom as media engine: a child process with a private configuration and a unix socket.

Only this package knows Janus. `engine.py` is the `MediaEngine`; it owns one child (`process.py`), one
control connection (`client.py`) and the rooms on it (`videoroom.py`); `sdp.py` is pure.
When the child ends, every room and transport ends with it and the engine starts a new, empty one.
"""
