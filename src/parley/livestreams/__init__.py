"""Live streams: the picture of a meeting, or what an encoder of the customer's pushes, for many viewers.

service.py     start, stop and look; every step is one transaction with what is announced
follow.py      the meetings that run here and are streamed: one encoder each
encoder/       the process that paints, encodes and writes HLS (`python -m parley.livestreams.encoder`)
ingest.py      who may push RTMP, and what becomes of it
playback.py    playlists and segments for viewers, and how long they watched
sweeping.py    what ends streams without anybody's wish
"""
