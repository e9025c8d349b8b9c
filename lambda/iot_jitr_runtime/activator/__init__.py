"""Activates the certificate of a registration event, or records the reason why it is not activated."""
