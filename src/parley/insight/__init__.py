"""Insight: what was said, in short. Summaries of conversations, and digests across them.

    messages ── prompts ──> TextEngine (`ports`) ── text ──> summary / digest (parsed, validated, corrected)

`ports.TextEngine` is what an engine has to do; `engines/` holds a chat-completions client and an offline
engine that picks sentences and says so in its name. `extract/` holds the text functions of the latter.
Everything here works on values: what is kept, cached, limited and served is the business of the callers.

Promises: what an engine answers reaches the caller only when it has the documented shape; text of users is
handed to engines as marked data; every prompt, answer and wait is bounded. Nothing here runs in the
background, so there is nothing to shut down.
"""
