"""Realtime channels: named streams that anybody of an app publishes on and subscribes to.

    names.py      what a channel's name says about it
    grants.py     what a token lets its holder do
    log.py        publications, on disk, in order          (`store.py`: every statement)
    feed.py       one channel as this process sees it: order, fan-out, what a latecomer missed
    publishing.py what may be published, and how often       access.py   who may use which channel
    presence.py   who is here: `members.py`, `roster.py` of one channel, `presence_nodes.py` over processes
    typing.py     who is writing (with presence on `leases.py`)        receipts.py   who has read what

A publication has a place in its channel, (epoch, offset). It is announced after it is on disk; whoever knows
the last place they saw gets everything after it, or is told that it cannot be had (`realtime-block.md` 6, 9).
"""
