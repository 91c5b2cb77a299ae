"""Meetings that run: who is there, what they do, and what everybody is told.

One `LiveMeeting` object owns one running meeting; a `MeetingRegistry` opens, finds and closes them. Inside a
meeting each concern is a part of its own: `lobby` (waiting room), `stage`, `chat`, `polls`, `values` (shared
stores), `breakout`, `media`, `speakers`, `controls` (host actions).

A part's method is called with the `LivePeer` who asks; it checks that peer's permissions, writes, then sends
`notices` to peers. Every dialect's socket is a `Link` that turns notices into its own frames.

Everything that must survive a crash is in the database before it is answered; what is only here (connections,
media, raised requests) belongs to connections that a crash ends too.
"""
