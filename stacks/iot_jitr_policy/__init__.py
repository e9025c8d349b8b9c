"""Device policy templates: read, and checked against the rules before they are deployed.

Synthesis and the command line use it; the functions do not, so it is no part of their asset.
"""
