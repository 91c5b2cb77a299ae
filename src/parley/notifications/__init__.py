"""What users are told of: notifications, web notifications, and the sources that both and messages name.

    service.py   notifications, from anybody to anybody or anything     web.py   those of the user's browser
    sources.py   a row for each (source type, source id) that was ever named

What is created is published on `notifications:<target>` in the same transaction, so whoever listens there
misses nothing that is stored (`realtime-block.md` 18.12, 18.13, 18.17).
"""
