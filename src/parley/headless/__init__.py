"""Participants without a browser: they join, speak, show a picture, listen, chat and leave.

For demonstrations, load tests and end-to-end tests. A participant speaks the protocol of the official
RealtimeKit client (`rtk-client-protocol.md`) and carries real media.

    bootstrap.py    token, meeting and relay servers over HTTP
    socket.py       the protobuf socket: requests, answers, notices
    descriptions.py session descriptions of a client that has one connection for each direction
    transport.py    ICE and DTLS of one connection, made of aiortc's building blocks
    sending.py      the connection towards the server, and what is published on it
    receiving.py    the connection from the server: counted or decoded
    sources.py      a tone and a moving picture encoded once, or a file
    roster.py       who is there and what they publish
    media.py        both connections, kept in step with the roster
    news.py         what a participant tells its owner
    visit.py        one connection to the meeting: socket, room, notices, media
    client.py       `HeadlessClient`: one participant, who makes another visit when one is lost
    crew.py         several of them, and what they see in words
    run.py          `parley join`

A client owns its tasks and connections: `leave`, or the end of the session, stops all of them.
"""
