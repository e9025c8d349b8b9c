"""The elements of AWS IoT Core policies: actions with their resource types, and policy variables.

Sources, in the AWS IoT Core Developer Guide: "AWS IoT Core policy actions", "AWS IoT Core action
resources", "AWS IoT Core policy variables" and its three sub-pages.
"""

import re
from enum import StrEnum

from iot_jitr_runtime.policy import Placeholder

SIZE_LIMIT = 2048
"""Characters a policy document may have, white space not counted (AWS IoT Core quotas)."""

VERSION = "2012-10-17"
"""The only policy language version in which variables are replaced."""


class ResourceType(StrEnum):
    """The part of a resource ARN before the first slash."""

    CLIENT = "client"
    TOPIC = "topic"
    TOPIC_FILTER = "topicfilter"
    THING = "thing"
    ROLE_ALIAS = "rolealias"


RESOURCE_TYPE_OF: dict[str, ResourceType | None] = {
    "iot:Connect": ResourceType.CLIENT,
    "iot:DeleteConnection": ResourceType.CLIENT,
    "iot:GetConnection": ResourceType.CLIENT,
    "iot:ListSubscriptions": ResourceType.CLIENT,
    "iot:SendDirectMessage": ResourceType.CLIENT,
    "iot:Publish": ResourceType.TOPIC,
    "iot:Receive": ResourceType.TOPIC,
    "iot:RetainPublish": ResourceType.TOPIC,
    "iot:GetRetainedMessage": ResourceType.TOPIC,
    "iot:ListRetainedMessages": None,
    "iot:Subscribe": ResourceType.TOPIC_FILTER,
    "iot:GetThingShadow": ResourceType.THING,
    "iot:UpdateThingShadow": ResourceType.THING,
    "iot:DeleteThingShadow": ResourceType.THING,
    "iot:ListNamedShadowsForThing": ResourceType.THING,
    "iot:AssumeRoleWithCertificate": ResourceType.ROLE_ALIAS,
    "iotjobsdata:DescribeJobExecution": ResourceType.THING,
    "iotjobsdata:GetPendingJobExecutions": ResourceType.THING,
    "iotjobsdata:StartNextPendingJobExecution": ResourceType.THING,
    "iotjobsdata:UpdateJobExecution": ResourceType.THING,
}
"""Each action that a device policy may grant, with its resource type; None: its only resource is `*`."""

VARIABLE = re.compile(r"\$\{([^}]*)\}")
"""A policy variable, `${name}`."""

COMMON_NAME = "iot:Certificate.Subject.CommonName"
CLIENT_ID = "iot:ClientId"
THING_NAME = "iot:Connection.Thing.ThingName"
IS_ATTACHED = "iot:Connection.Thing.IsAttached"

_ATTRIBUTE = (
    "DistinguishedNameQualifier|Country|Organization|OrganizationalUnit|State|CommonName|SerialNumber|Title|"
    "Surname|GivenName|Initials|Pseudonym|GenerationQualifier"
)
_ALTERNATIVE = "RFC822Name|DNSName|DirectoryName|UniformResourceIdentifier|IPAddress"
_KNOWN = re.compile(
    r"aws:SourceIp|iot:ClientId|iot:DomainName|iot:Certificate\.SerialNumber"
    rf"|iot:Certificate\.(?:Subject|Issuer)\.(?:{_ATTRIBUTE})(?:\.\d+)?"
    rf"|iot:Certificate\.(?:Subject|Issuer)\.AlternativeName\.(?:{_ALTERNATIVE})(?:\.\d+)?"
    r"|iot:Connection\.Thing\.(?:ThingName|ThingTypeName|IsAttached|Attributes\[[a-zA-Z0-9_.,@/:#-]+\])"
    r"|[*?$]"  # the escapes ${*}, ${?}, ${$}
)

COMMON_VARIABLES = (
    CLIENT_ID,
    COMMON_NAME,
    "iot:Certificate.SerialNumber",
    "iot:Certificate.Subject.SerialNumber",
    "iot:Certificate.Subject.Organization",
    THING_NAME,
    "iot:Connection.Thing.ThingTypeName",
    IS_ATTACHED,
)
"""The variables to suggest for a misspelled one."""

CERTIFICATE_IDENTITIES = frozenset(
    {
        COMMON_NAME,
        "iot:Certificate.Subject.SerialNumber",
        "iot:Certificate.SerialNumber",
        THING_NAME,
    }
)
"""Variables that identify one device by its certificate, independent of what the device sends."""

PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "123456789012",
}
"""Pseudo parameters that the deployment replaces in a template, with the longest value of each."""


LONGEST = {Placeholder.COMMON_NAME: 64, Placeholder.SERIAL_NUMBER: 40, Placeholder.THING_NAME: 128}
"""The longest value of each placeholder: RFC 5280 appendix A.1 (ub-common-name) and section 4.1.2.2 (20
octets), and AWS's limit of a thing name."""


def is_known_variable(name: str) -> bool:
    """Return whether AWS IoT Core replaces `${name}` in a device policy.

    >>> is_known_variable("iot:ClientId"), is_known_variable("iot:ClientID")
    (True, False)
    """
    return _KNOWN.fullmatch(name) is not None


def is_known_condition_key(name: str) -> bool:
    """Return whether a statement's condition may test `name`: a policy variable, or a global key of AWS."""
    return is_known_variable(name) or name == "iot:ConnectAttributes" or name.startswith("aws:")
