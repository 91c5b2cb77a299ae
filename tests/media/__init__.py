"""Media tests; those marked `media` need Janus, and most of them Chromium."""
