"""CA certificates in AWS IoT, and the two steps that register a CA whose key is offline."""
