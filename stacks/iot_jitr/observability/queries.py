"""Saved CloudWatch Logs Insights queries, in a folder named after the pipeline."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One saved query."""

    id: str
    """Its name in the construct tree."""
    title: str
    """Its name in the console, below the pipeline's."""
    text: str
    """Commands in CloudWatch Logs Insights' own language, one a line."""


ONE_DEVICE = Query(
    "OneDevice",
    "Everything about one device (put its id or name in)",
    """\
fields @timestamp, outcome, reason, detail, certificate_id, ca_certificate_id, serial_number, common_name,
       seconds_to_active, retry_in_seconds, correlation_id
| filter certificate_id = 'CERTIFICATE-ID' or common_name = 'COMMON-NAME'
| sort @timestamp asc
| limit 1000""",
)
REFUSED = Query(
    "Refused",
    "Refused devices and the reasons",
    """\
fields @timestamp, reason, common_name, serial_number, detail, ca_certificate_id, certificate_id
| filter outcome = 'refused'
| sort @timestamp desc
| limit 1000""",
)
DEFERRED = Query(
    "Deferred",
    "Deferred devices and the reasons",
    """\
filter outcome = 'deferred'
| stats count(*) as messages, count_distinct(certificate_id) as devices, latest(detail) as last by reason
| sort messages desc""",
)
BY_CA = Query(
    "ByCa",
    "Outcomes by CA",
    """\
filter ispresent(outcome)
| stats count(*) as messages by ca_certificate_id, outcome, reason
| sort ca_certificate_id, messages desc""",
)
TIME_TO_ACTIVE = Query(
    "TimeToActive",
    "How long activation takes",
    """\
filter outcome = 'activated'
| stats count(*) as devices, pct(seconds_to_active, 50) as p50, pct(seconds_to_active, 99) as p99,
        max(seconds_to_active) as slowest by bin(5m)""",
)
ERRORS = Query(
    "Errors",
    "Errors of the functions",
    """\
fields @timestamp, level, message, exception_name, exception, certificate_id
| filter level = 'ERROR' or @message like /Task timed out|\\[ERROR\\]|Runtime exited/
| sort @timestamp desc
| limit 200""",
)
QUERIES = (ONE_DEVICE, REFUSED, DEFERRED, BY_CA, TIME_TO_ACTIVE, ERRORS)
"""Over the logs of the pipeline's functions."""

FAILURES_OF_AWS_IOT = Query(
    "FailuresOfAwsIot",
    "Failed registrations and rules in AWS IoT's own log",
    """\
fields @timestamp, eventType, reason, details, clientId, principalId, sourceIp, ruleName
| filter status = 'Failure'
| sort @timestamp desc
| limit 200""",
)
"""Over AWS IoT's own log, where there is one."""
