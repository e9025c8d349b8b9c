"""`jitr demo`: just-in-time registration in one run, on a local cloud of its own."""
