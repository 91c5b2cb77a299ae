"""Files of conversations: a link to put one, a link to get it; the links are the credentials.

    presign ── a place, and a signed URL to PUT to within 15 minutes
    create ─── the place becomes a file of the conversation (or a URL elsewhere does)

A place that nobody makes a file of is removed after a day (`realtime-block.md` 18.11).
"""
