"""From a CA's CRLs, over HTTP or in S3, to the revocation index that the activator reads."""
