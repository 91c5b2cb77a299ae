"""The users of an app, whether they are there, and how they want to be told of things.

    service.py        users: registration, list, changes
    availability.py   online, away, busy …; `activity.py`: when somebody was last seen
    preferences.py    notification settings, quiet hours

A user is whoever a valid user token names: the first request registers them (`realtime-block.md` 18.14).
When somebody was last seen is written at most every `activity.WRITE_EVERY_S`; `UserActivity.stop` writes the
rest.
"""
