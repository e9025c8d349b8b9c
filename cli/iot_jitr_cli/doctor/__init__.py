"""`jitr doctor`: why is this device not active? A checklist along the device's path, and one cause.

A check (`checks/`) reads facts (`facts/`), each of which is read from AWS once, and returns a `Finding`.
`diagnosis.py` runs them all and picks the cause by `precedence.py`.
"""
