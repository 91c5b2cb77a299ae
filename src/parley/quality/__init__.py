"""How good calls were: what clients and the media engine measure, per peer, and what it means.

intake.py      what a client posts, into metadata and samples (with measuring.py and values.py)
store.py       both in the database
mos.py         one figure for how a call sounds and looks
streams.py     samples of one stream, measured against each other
cumulative.py  a whole call in averages, percentiles and fractions
verdict.py     in plain words
watching.py    what the media engine tells (with downlinks.py)
service.py     taking in and reporting
"""
