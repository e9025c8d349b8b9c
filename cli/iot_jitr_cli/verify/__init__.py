"""`jitr verify`: acceptance of a deployed pipeline with one throw-away device.

`steps.STEPS` is what is checked, in this order; `run` runs it; `cleanup` removes what it made.
"""
