"""`jitr policy`: checks and explains device policies."""
