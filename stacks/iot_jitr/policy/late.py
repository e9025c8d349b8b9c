"""A device policy in which values are known at deployment only, as the rules look at it.

Such a value may turn out to be anything, so it counts as the wildcard `*`: a role alias of the same app may
be named, and a topic or a client id takes an `acknowledge`.
"""

import json
from typing import Any

import aws_cdk as cdk

from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.vocabulary import RESOURCE_TYPE_OF, VERSION

_WILDCARD = "*"
_ARN = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"


def as_known(document: PolicyDocument) -> PolicyDocument:
    """Return the policy with a wildcard in the place of what is known at deployment only."""
    if not cdk.Token.is_unresolved(document.text()):
        return document
    statements = [_statement(dict(each.source)) for each in document.statements]
    return PolicyDocument.parse(json.dumps({"Version": VERSION, "Statement": statements}))


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    actions = statement["Action"]
    kind = RESOURCE_TYPE_OF.get(actions if isinstance(actions, str) else actions[0])
    known: dict[str, Any] = {key: _known(value) for key, value in statement.items()}
    resources = known["Resource"] if isinstance(known["Resource"], list) else [known["Resource"]]
    given = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    known["Resource"] = [
        f"{_ARN}:{kind}/{_WILDCARD}" if kind and each == _WILDCARD != before else each
        for before, each in zip(given, resources, strict=True)
    ]
    return known


def _known(value: Any) -> Any:
    match value:
        case dict():
            return {key: _known(each) for key, each in value.items()}
        case list():
            return [_known(each) for each in value]
        case str() if cdk.Token.is_unresolved(value):
            return _written(cdk.Stack().resolve(value))
    return value


def _written(resolved: Any) -> str:
    """A resolved value as a text, in which `${AWS::Region}` and its like stay."""
    match resolved:
        case str():
            return resolved
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return f"${{{name}}}"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_written, parts))
    return _WILDCARD
