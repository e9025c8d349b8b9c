"""The whole story in one run on the local cloud: `jitr demo`."""
