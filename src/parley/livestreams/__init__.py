"""Live streams: the picture of a meeting, or what an encoder of the customer's pushes, for many viewers.

service.py     start, stop and look
states.py      the steps of a stream: each is one transaction with what is announced
follow.py      the meetings that run here and are streamed
showing.py     the picture of one meeting: its encoder, and what that is fed with
encoder/       the process that paints, encodes and writes HLS (`python -m parley.livestreams.encoder`)
pushing/       the way of a stream to an RTMP server outside
ingest.py      who may push RTMP, and what becomes of it
playback.py    playlists and segments for viewers
audience.py    how many watch, and for how long
sweeping.py    what ends streams without anybody's wish
"""
