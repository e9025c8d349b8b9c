"""CA certificates as AWS IoT holds them, and the two steps that register one whose key is offline."""
