"""The sweep: revokes, suspends and releases certificates after their activation, as the CRLs list them.

`handler` starts a run, `sweep` goes through it, `targets` finds the certificates, `enforce` changes one
certificate, and `state` keeps how far a CA's sweep has come.
"""
