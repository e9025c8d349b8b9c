"""`jitr crl`: check a certificate against CRLs; let a held-back mass revocation through."""
