"""`jitr demo`: just-in-time registration in one run, on its own local cloud."""
