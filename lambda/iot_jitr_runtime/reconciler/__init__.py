"""The reconciler: finds certificates whose event was lost, and certificates that the ledger does not have.

Events can be lost: a rule was disabled for a while, the stack was deployed after the devices connected, a
slot was too far away for the queue. The reconciler compares AWS IoT's own list of certificates with the
ledger. It also does the tasks that other functions have scheduled.
"""
