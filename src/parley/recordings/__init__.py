"""Recordings of sessions: what is captured, what becomes of it, and what customers are told.

model.py      a recording, its tracks and its moments
settings.py   what a recording shall be, from the request, the meeting and the defaults
service.py    start, pause, resume, stop; lists: what REST and clients ask for
store.py      every statement
events.py     what is announced
naming.py     names of files
"""
