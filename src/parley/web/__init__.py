"""The pages Parley serves itself: start page, meeting page, notices.

The browser sources live in `web/` and are built into `dist/` next to this file. This package reads that
folder once, adds the headers that keep browsers on the operator's host, and offers one router
(`pages.web_router`).
Nothing here has state or tasks, so there is nothing to shut down.
"""
