"""Tests of `parley.store`; `databases.py` holds the fixtures' machinery."""
