"""From a registration event to an ACTIVE certificate, or to the recorded reason why not."""
