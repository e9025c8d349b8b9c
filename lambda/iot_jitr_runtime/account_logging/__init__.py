"""Turns AWS IoT's own log on for the account, and restores what was there before, as a custom resource.

https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
"""
