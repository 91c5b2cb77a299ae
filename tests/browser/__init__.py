"""The official clients in real Chromium: `python -m tests.netns pytest tests/browser`."""
