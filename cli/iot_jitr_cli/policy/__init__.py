"""`jitr policy`: device policies, checked and explained."""
