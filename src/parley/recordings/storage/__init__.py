"""Customers' own storage: where finished recordings are brought (`realtimekit.md` section 10.6).

`delivery.Delivery` is what the job that finishes recordings calls; `choice.target_of` makes the target of a
`storage_config`. One module per kind: `s3` (aws, digitalocean, cloudflare), `azure` and `gcs` say how a store
is reached and `objects` uploads to it through obstore; `sftp` does both.

Promises: `Target.put` returns when the whole file is there under its final name and has been compared with
what was sent; until then nothing is there under that name, or what was there before. It may be repeated,
also after kill -9. What goes wrong is `RetryLater` or `Hopeless`, in words for the customer and without
secrets.
"""
