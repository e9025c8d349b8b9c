"""`jitr allow`: the allow list of expected devices."""
