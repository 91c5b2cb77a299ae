"""Recordings of sessions: what is captured, what becomes of it, and what customers are told.

model.py      a recording, its tracks and its moments; events.py what is announced of them
settings.py   what a recording shall be, from the request, the meeting and the defaults
service.py    start, pause, resume, stop, lists and links: what REST and clients ask for
capture.py    follows the running meetings: streams into files, and what the picture has to follow
sweeping.py   what ends without anybody's wish
finishing.py  the job that makes the files, by the plan of planning.py; naming.py their names
storage/      customers' own storage
store.py      every statement
"""
