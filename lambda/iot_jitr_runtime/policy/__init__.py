"""Device policies: read, checked, rendered for one device, and evaluated here instead of at AWS.

Nothing here knows Lambda or the CDK; the stack checks templates with it, the command line explains them.
"""
