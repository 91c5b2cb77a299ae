"""Rooms on media engines.

`ports.py` says what the rest of Parley may rely on. `janus/` runs the Janus VideoRoom as a child
process, `pool.py` places rooms on engines, `turn.py` hands out relay credentials.

A participant's browser never speaks to an engine: it gives us an SDP offer and gets an answer.
Every engine is stopped with `stop()`, which ends its rooms and its child processes; a child also
dies with this process, whatever ends it.
"""
