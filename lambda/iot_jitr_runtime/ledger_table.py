"""Names in the ledger's table: the stack creates the table, the functions read and write it.

The synthesis has no boto3, which the package `ledger` imports, so they are in a module of their own. The
names of the index of unpublished events are in `outcome_events`.
"""

KEY = "certificateId"
"""The partition key."""
SERIAL_INDEX = "ca-serial"
"""Global secondary index, keys only, partition key `SERIAL_INDEX_KEY`."""
SERIAL_INDEX_KEY = "caSerial"
TASK_INDEX = "tasks"
"""Global secondary index, keys only, partition key `TASK`, sort key `TASK_DUE_AT`."""
TASK = "task"
TASK_DUE_AT = "taskDueAt"
"""In milliseconds since the epoch."""
SUSPENDED_INDEX = "suspended"
"""Global secondary index, keys only, of what this pipeline has put on hold: partition key `SUSPENDED_UNDER`,
sort key `RELEASE_AT`."""
SUSPENDED_UNDER = "suspendedUnder"
"""Id of the CA."""
RELEASE_AT = "releaseAt"
"""Time of the next attempt to release, in milliseconds since the epoch; 0 if none has failed yet."""
TTL_ATTRIBUTE = "expiresAt"
"""Seconds since the epoch; only rows without a decision about a certificate have it."""
SWEEP_PREFIX = "#sweep/"
"""Prefix of the keys of the items with the state of a CA's sweep; no certificate id has it."""
