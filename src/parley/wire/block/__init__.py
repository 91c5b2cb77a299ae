"""The Real Time Block dialect (`realtime-block.md`): sockets, REST, conversations.

What every route shares is here, what only one feature needs in its folder.

    endpoint.py   how a REST route is declared, and the checks before it
    reading.py    bodies and queries into values     replies.py   JSON:API and flat answers
    errors.py     what goes wrong, in its own words  api.py       all routes as one application
    socket/       the WebSocket protocol             channels/    publishing, history, receipts, tokens
    conversations/   messages, groups, files, tasks, summaries     rooms/   rooms, recordings, meetings
    notifications/   what users are told             webhooks/    what servers are told
"""
