"""The TypeScript client (`clients/typescript`), built and driven against `parley serve`.

    server.py         a server that can be killed, with the keys of an app
    conftest.py       fixtures; skips when the client is not built
    test_node.py      the client's suites, run by Vitest
    test_browser.py   the same build in Chromium

What the client is asked, and what it must answer, is in `clients/typescript/test`: `unit` needs nothing,
`server` needs a server, whose address and keys it gets from here.
"""
