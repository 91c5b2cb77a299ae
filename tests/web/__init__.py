"""Tests of the pages; those marked `browser` load the built pages in Chromium."""
