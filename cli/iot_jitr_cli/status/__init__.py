"""`jitr status`: fleet, queues, CAs, CRLs and last errors on one screen, once or as a live view.

The fleet is never counted by reading every row: counters contain the number of devices in service, CloudWatch
has the number of decisions, and a bounded scan of the ledger counts its rows by state.
"""
