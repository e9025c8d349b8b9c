"""The sweep: revokes, suspends and releases certificates after their activation, as the CRLs list them.

`handler` is the entry point, `sweep` has the steps of a run, `targets` finds the certificates, `enforce`
changes one certificate, and `state` stores the progress of a CA's sweep.
"""
