"""Template of the MQTT client id that a device policy allows for a certificate.

AWS IoT Core replaces the variables when the device connects. For each certificate the ledger has the values
of two variables, and those of the placeholders of a per-device policy.
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
"""

from fnmatch import fnmatchcase

from iot_jitr_policy.document import Effect, PolicyDocument
from iot_jitr_policy.resources import NotAnIotArnError, Resource
from iot_jitr_policy.vocabulary import CLIENT_ID, COMMON_NAME, THING_NAME, VARIABLE, ResourceType
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder

_KNOWN = {COMMON_NAME: Placeholder.COMMON_NAME, THING_NAME: Placeholder.THING_NAME}
_CONNECT = "iot:connect"


class UnknownClientIdError(JitrError):
    """The policy does not allow exactly one known client id for a certificate; the message has the reason."""


def client_id_template(document: PolicyDocument, *, has_things: bool) -> str:
    """Return the only client id that the policy allows, with placeholders for values of the certificate.

    Args:
        document: The device policy.
        has_things: Whether devices become things, so that the ledger has their names.

    Raises:
        UnknownClientIdError: It allows several client ids, or one that the ledger has no values for.
    """
    names = {
        resource.text
        for statement in document.statements
        if statement.effect is Effect.ALLOW
        and any(fnmatchcase(_CONNECT, action.text.lower()) for action in statement.actions)
        for resource in statement.resources
    }
    resources = sorted({_connects_to(name) for name in names} - {None}, key=str)
    if not resources:
        raise UnknownClientIdError("the device policy allows no client id to connect")
    templates = {_template(str(name)) for name in resources}
    if len(templates) > 1:
        raise UnknownClientIdError(
            f"the device policy allows several client ids, {' and '.join(map(str, resources))}"
        )
    [template] = templates
    placeholders = set(PLACEHOLDER.findall(template))
    if not placeholders:
        raise UnknownClientIdError(f"the device policy gives all devices the same client id, {template}")
    if Placeholder.THING_NAME in placeholders and not has_things:
        raise UnknownClientIdError(
            "the client id is the name of the device's thing, and the pipeline registers no things"
        )
    return template


def _connects_to(resource: str) -> str | None:
    """Return the client id of a statement's resource, with its wildcards; None: no client resource."""
    try:
        parsed = Resource.parse(resource)
    except NotAnIotArnError as error:
        raise UnknownClientIdError(f"the device policy's client id is not known: {error}") from error
    return parsed.name if parsed.type in {ResourceType.CLIENT, "*"} else None


def _template(name: str) -> str:
    def placeholder(variable: str) -> str:
        if variable == CLIENT_ID:
            raise UnknownClientIdError(
                f"the device policy allows any client id: ${{{CLIENT_ID}}} is what the device sends"
            )
        if variable not in _KNOWN:
            raise UnknownClientIdError(f"the ledger has no value for ${{{variable}}}")
        return f"{{{{{_KNOWN[variable]}}}}}"

    template = VARIABLE.sub(lambda match: placeholder(match[1]), name)
    if any(wildcard in template for wildcard in "*?"):
        raise UnknownClientIdError(f"the device policy allows many client ids, {name}")
    return template
