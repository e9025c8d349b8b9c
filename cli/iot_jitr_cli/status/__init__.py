"""`jitr status`: fleet, queues, CAs, CRLs and last errors at a glance, once or as a live view.

The fleet is never counted by reading every row: counters hold how many devices are in service, CloudWatch has
how many decisions were made, and a bounded scan of the ledger counts its rows by state.
"""
