"""`jitr verify`: acceptance test of a deployed pipeline with one throw-away device.

`steps.STEPS` has the checks in their order; `run` runs them; `cleanup` removes their resources.
"""
