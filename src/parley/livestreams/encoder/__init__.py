"""The process that shows a meeting live: RTP in, HLS out.

__main__.py   the process: reads what is wanted from its standard input, says what happens on its output
orders.py     both as JSON lines
receiving.py  packets from the media engine, on a thread
sources.py    each stream's sound and pictures at an instant
stage.py      who is seen where, by the rules of recordings (`compositor.seating`)
pictures.py   their avatars
output.py     encoding, segments, and a copy for somewhere outside
"""
