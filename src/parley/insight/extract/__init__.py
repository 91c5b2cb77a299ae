"""Pure text functions that pick from what was said: sentences, topics, promises, decisions, mood.

Deterministic, no network, no model. Each result is made of words of the input, in their order.
"""
