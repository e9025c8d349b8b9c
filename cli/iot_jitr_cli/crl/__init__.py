"""`jitr crl`: check a certificate against CRLs; confirm a mass revocation."""
