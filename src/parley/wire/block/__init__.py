"""The Real Time Block dialect (`realtime-block.md`): sockets, REST, conversations.

endpoint.py   how a REST route is declared, and the checks before it
reading.py    bodies and queries into values     replies.py   JSON:API and flat answers
errors.py     what goes wrong, in its own words
socket/       the WebSocket protocol
"""
