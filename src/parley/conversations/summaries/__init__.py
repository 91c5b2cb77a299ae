"""What engines write about conversations: summaries of one, digests of several.

service.py   summaries: kept, brought up to date, limited, shared by those who ask at once
digests.py   digests across somebody's conversations, and of chosen ones
engines.py   who writes, and which users are known there
"""
