"""Admission: is this device, whose certificate is in order, expected?

Nothing is imported here: the stack shares `keys` with the function, and synthesizes without the AWS SDK.
"""
