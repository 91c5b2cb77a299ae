"""Tests mirror `src/parley`; run them with pytest."""
