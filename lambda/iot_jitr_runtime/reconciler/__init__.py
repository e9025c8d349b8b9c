"""What nobody decided: pending certificates whose event got lost, and certificates that the ledger never saw.

Events can get lost: a rule was disabled for a while, the stack was deployed after the devices connected, a
turn was too far off for the queue. The reconciler reads AWS IoT's own list of certificates and compares.
"""
