"""The sweep: revokes, suspends and releases certificates after their activation, as the CRLs say.

`handler` starts a run, `sweep` goes through it, `targets` finds whom it concerns, `enforce` changes one
certificate, and `state` keeps how far a CA's sweep has come.
"""
