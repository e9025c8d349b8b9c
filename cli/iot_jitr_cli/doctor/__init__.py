"""`jitr doctor`: why is this device not active? A checklist along the device's path, and one cause.

A check (`checks/`) calls AWS, or uses what `Case` and `Pipeline` have read once, and returns a `Finding`.
`diagnosis.py` runs them all and picks the cause: the order of `Cause` is the precedence.
"""
