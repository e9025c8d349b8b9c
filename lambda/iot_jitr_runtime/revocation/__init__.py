"""Revocation: CRLs verified by RFC 5280, compiled into one index for each CA, read in place.

The engine (`crl`, `verification`, `entries`, `scope`) and the index, a SQLite file (`build`, `index`), do not
depend on AWS. `store` keeps the index in S3. `checker` is the activation's check.
"""

from datetime import timedelta

REFRESH = timedelta(seconds=60)
"""Time between two requests to S3 for a newer index, unless configured otherwise."""

PREFIX = "index/"
"""Prefix of the indexes, of the CA certificates beside them, and of the publisher's object cache."""
