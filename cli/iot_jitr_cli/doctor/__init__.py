"""`jitr doctor`: why is this device not in? A checklist along the path a device takes, and one cause.

A check (`checks/`) looks at facts (`facts/`), each of which is learned from AWS once, and answers with a
`Finding`. The engine (`diagnosis.py`) runs them all and picks the cause by `precedence.py`.
"""
