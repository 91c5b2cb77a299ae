"""Conversations: who is in them, what was said and read, groups, and what is made of it.

    threads/     conversations (contexts are the same things), their members, what is unread
    messages/    messages, their actions, batches       drafts/   messages not sent yet
    groups/      groups and invitations to them         summaries/   what engines write about conversations
    views.py     the form in which all of it is shown and published

A conversation and a context share their id; a free text addresses one as well (`realtime-block.md` 18.6).
Membership decides who sees what; what is not seen is not found. Every message is published on
`conversation:<id>` in the change that stores it.
"""
