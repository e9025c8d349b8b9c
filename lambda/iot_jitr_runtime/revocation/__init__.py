"""Revocation: CRLs verified as RFC 5280 asks, compiled into one index for each CA, looked up in place.

The engine (`crl`, `verification`, `entries`, `scope`) and the index, a SQLite file (`build`, `index`), do not
depend on AWS. `store` keeps the index in S3. `checker` answers the activation.
"""

from datetime import timedelta

REFRESH = timedelta(seconds=60)
"""Time between two requests to S3 for a newer index, unless configured otherwise."""

PREFIX = "index/"
"""Below it, in the revocation bucket, lie the indexes and the cache validators of the publisher's sources."""
