"""AWS IoT's own log, switched on for the account where nobody has done so, and given back as it was found.

There is one such log for each account and region. What was found is written on its log group, as tags, before
anything is changed, so that it survives a repeated call and a function that is cut off.
https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
"""
