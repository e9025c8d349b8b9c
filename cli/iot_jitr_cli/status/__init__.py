"""`jitr status`: fleet, queues, CAs, CRLs and last errors at a glance, once or as a live view.

The fleet is never counted by reading every row: counters say how many devices are in service, CloudWatch how
many were decided, and a bounded look at the ledger how many rows are in which state, saying how many it read.
"""
