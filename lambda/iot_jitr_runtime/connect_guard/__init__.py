"""The connect guard: refuses a listed device at its next handshake, before AWS IoT has changed its status.

AWS IoT invokes it for each connect to a domain configuration that names it, after mutual TLS authentication.
https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html
"""
