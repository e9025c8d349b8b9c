"""Admission: the check whether a device with a valid certificate is expected.

This module imports nothing: the stack imports `admission.keys` and must synthesize without the AWS SDK.
"""
