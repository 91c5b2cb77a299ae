"""Tests of `parley.meetings`."""
