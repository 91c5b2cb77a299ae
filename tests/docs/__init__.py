"""The documentation: its examples run, its reference pages follow the code."""
