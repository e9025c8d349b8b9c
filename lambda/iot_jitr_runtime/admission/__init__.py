"""Admission: is this device, whose certificate is valid, expected?

This module imports nothing: the stack imports `admission.keys` and must synthesize without the AWS SDK.
"""
