"""Channels of messages, kept in order with a position each.

A meeting's chat is the channel with the meeting's id. A message is answered when it is on disk; editing and
deleting keep its position.
"""
