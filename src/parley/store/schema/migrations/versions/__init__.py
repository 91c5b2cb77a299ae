"""One step a file, in order of its number."""
