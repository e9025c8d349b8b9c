"""Custom resource: turns AWS IoT's own log on for the account, and restores the former state on deletion.

https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
"""
