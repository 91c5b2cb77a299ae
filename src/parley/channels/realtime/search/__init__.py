"""Search in messages (`realtime-block.md` 11.1).

An index of words follows the publications a little behind, so that publishing never waits for it::

    publications   1 2 3 4 5 6 7 | 8 9      number
                       indexed ──┘ └── not yet: read one by one by whoever searches

so a search misses nothing. `words.py` says what a word is, the same for both databases.
"""
