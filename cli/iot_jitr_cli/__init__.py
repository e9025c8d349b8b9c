"""The `jitr` command: local cloud, device kit, doctor, operations."""
