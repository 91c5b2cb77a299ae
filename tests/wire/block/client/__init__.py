"""The published conversations client (`@23blocks/block-conversations`), run by Node against the served block.

To cover another of its services:

1. write `suites/<name>.mjs`; its default export calls the client and returns what the test compares
   (`run.mjs` says what it is given);
2. write `test_<name>.py` beside the area's other tests::

       async def test_the_client_manages_notifications(block: Block):
           told = await run_suite(block, "notifications", people=["ada"], services=["notifications"])
           assert told == {…}

`run_suite` fails unless every method of those services was called and answered. Packages come from
`package-lock.json` (`npm ci`); `jsonapi-codec/` stands in for a package that the client names and no registry
has, and is stricter than a client needs to be.
"""
