"""Meetings: what is planned (meetings, presets, participants), what ran (`history`), what runs (`live`).

    Meeting ──< Participant >── Preset        planned; lives until deleted
       └──────< Session ──< Peer              one live run, and each connection in it

Promises: at most one LIVE session per meeting, kept by a unique index; a session ends exactly once, also when
the server is killed: the next start finds LIVE sessions and ends those whose peers do not come back within
their keep-alive time. Live state (`live/`) is rebuilt from these rows.
"""
