"""Revocation: CRLs verified as RFC 5280 asks, compiled into one index for each CA, looked up in place.

The engine (`crl`, `verification`, `entries`, `scope`) and the index (`builder`, `index`), a SQLite file, know
nothing of AWS. `store` keeps the index in S3, and `checker` is what the activation asks.
"""

PREFIX = "index/"
"""Below it, in the revocation bucket, lie the indexes and what the publisher remembers of its sources."""
