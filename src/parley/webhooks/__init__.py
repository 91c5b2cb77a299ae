"""Webhooks: who wants to hear of what, and telling them.

    event ── outbox consumer ──> one delivery row per subscribed webhook + the job of that webhook
    job of a webhook ──────────> sends what is due, a few at once, and writes each attempt down

Promises: a delivery is written in the transaction that takes the event from the outbox, so each committed
event is sent at least once to every webhook subscribed then, always with the same delivery id. One webhook
gets the events of one session in order; a retry does not hold up later ones. A webhook has a job of its
own, so an endpoint that does not answer costs the others nothing.

What a body looks like is the dialect's business (`ports.PayloadCodec`). Stops with the job runner: what was
under way is sent again at the next start.
"""
