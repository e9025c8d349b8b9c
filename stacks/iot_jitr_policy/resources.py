"""Resource ARNs of device policies, and whether one covers the resources of other devices."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from iot_jitr_policy import vocabulary as v
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*|\$\{AWS::Partition\})"
    r":iot:(?P<region>[a-z0-9-]+|\*|\$\{AWS::Region\})"
    r":(?P<account>\d{12}|\*|\$\{AWS::AccountId\})"
    r":(?P<type>[a-z]+)/(?P<name>.+)",
    re.DOTALL,
)
_IDENTITY = re.compile(f"{v.VARIABLE.pattern}|{PLACEHOLDER.pattern}")


class NotAnIotArnError(JitrError):
    """The text is neither `*` nor the ARN of a resource of device policies."""


@dataclass(frozen=True)
class Resource:
    """A statement's resource: a type and, after the slash, a name that may contain wildcards.

    The bare `*` has the type and the name `*`.
    """

    type: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Resource":
        """Read a resource.

        Raises:
            NotAnIotArnError: It is not one.
        """
        if text == "*":
            return cls("*", "*")
        match = _ARN.fullmatch(text)
        if match is None or match["type"] not in set(v.ResourceType):
            types = ", ".join(f"{each}/" for each in v.ResourceType)
            raise NotAnIotArnError(
                f"'{text}' is not 'arn:<partition>:iot:<region>:<account>:<type>/<name>' "
                f"with a type of {types}; region and account may be ${{AWS::Region}} and ${{AWS::AccountId}}"
            )
        return cls(match["type"], match["name"])

    @property
    def bare_name(self) -> str:
        """The name without its variables and placeholders."""
        return _IDENTITY.sub("", self.name)


def identity_end(name: str, variables: Collection[str]) -> int | None:
    """Return where the first variable or placeholder that identifies one device ends, None without one.

    >>> identity_end("devices/${iot:ClientId}/x", {"iot:ClientId"})
    23
    """
    for match in _IDENTITY.finditer(name):
        if match[1] in variables or match[2] in set(Placeholder):
            return match.end()
    return None


def reaches_beyond(resource: Resource) -> bool:
    """Return whether a wildcard in the name can match topics or things of other devices.

    It cannot if the device's identity is a whole level before the wildcard. It can in
    `devices/${…CommonName}*`: there device `a` has access to `devices/ab`.
    """
    wild = _first_wildcard(resource)
    if wild is None:
        return False
    before = resource.name[:wild]
    end = identity_end(before, v.CERTIFICATE_IDENTITIES | {v.CLIENT_ID})
    return end is None or not before[end:].startswith("/")


def _first_wildcard(resource: Resource) -> int | None:
    # In the policy, `devices/+/data` is one literal filter; for the broker, it matches topics of all devices.
    wildcards = "*?+#" if resource.type == v.ResourceType.TOPIC_FILTER else "*?"
    masked = _IDENTITY.sub(lambda match: "x" * len(match.group()), resource.name)
    return next((at for at, character in enumerate(masked) if character in wildcards), None)
