"""WebRTC rooms: people who see each other without a meeting around them (`realtime-block.md` 15).

    service.py   rooms: create, list, end        tokens.py   who may take part, and as what
    live.py      participants, while they are there
    media.py     what they send, forwarded by this server (`recordings.rooms` records it)

A room is a row; its participants are entries of `channels.realtime.presence`, so that they survive a lost
socket for its grace, and are alike on every server process.
"""
