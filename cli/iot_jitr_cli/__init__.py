"""The `jitr` command: the local cloud, the device kit, the doctor, and commands for operations."""
