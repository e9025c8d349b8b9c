"""Things: the registry's entry for a device, created or reused when its certificate is activated.

Nothing is imported here: the stack shares `settings` with the function, and synthesizes without the AWS SDK.
"""
