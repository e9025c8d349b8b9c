"""`jitr doctor`: runs a checklist along the device's path and reports why the device is not active.

A check (`checks/`) calls AWS, or uses the values that `Case` and `Pipeline` read once. It returns a
`Finding`: passed, or failed with a cause and a fix. It raises `NotApplicableError` if there is nothing
to check, and `UndeterminedError` if something could not be read. `diagnosis.py` runs all checks and selects
the cause: the order of `Cause` is the precedence.
"""
