"""Device policy templates: read, and checked against the rules before they are deployed.

Synthesis and the command line use this package; the functions do not, so their asset does not contain it.
"""
