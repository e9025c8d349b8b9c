"""What becomes of certificates that are revoked, or put on hold, after they were activated.

Each new revocation index of a CA is swept twice. The first pass acts at once on what is new since the last
index that was swept. An activator may still work with the former index for as long as it may keep a copy, and
finish what it began until its time-out; whatever it activates in that time is in the ledger, under its serial
number, before its status changes. So a second pass over the same difference, after that time, finds it.
"""
