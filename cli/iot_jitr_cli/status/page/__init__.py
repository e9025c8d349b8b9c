"""`jitr status --html`: the fleet as one self-contained page."""
