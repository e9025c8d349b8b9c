"""`jitr doctor`: why is this device not active? A checklist along the device's path, and one cause.

A check (`checks/`) calls AWS, or uses what `Case` and `Pipeline` have read once. It returns a `Finding`:
passed, or failed with a cause and a fix. It raises `NotApplicableError` where there is nothing to check, and
`CannotTellError` where something could not be read. `diagnosis.py` runs all checks and picks the cause: the
order of `Cause` is the precedence.
"""
