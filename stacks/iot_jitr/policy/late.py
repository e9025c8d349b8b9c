"""A device policy in which values are known at deployment only, as the rules check it.

Such a value may turn out to be anything, so it counts as the wildcard `*`: a role alias of the same app may
be named, and a topic or a client id takes an `acknowledge`.
"""

import json

import aws_cdk as cdk

from iot_jitr.references import written
from iot_jitr_policy.document import PolicyDocument, Statement
from iot_jitr_policy.vocabulary import RESOURCE_TYPE_OF, VERSION

_WILDCARD = "*"
_ARN = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"


def with_wildcards(document: PolicyDocument) -> PolicyDocument:
    """Return the policy with a wildcard for each value that is known only at deployment."""
    if not cdk.Token.is_unresolved(document.text()):
        return document
    text = json.dumps([dict(each.source) for each in document.statements])
    known = json.loads(written(cdk.Stack().resolve(text), _known))
    for statement, each in zip(document.statements, known, strict=True):
        each["Resource"] = _resources(statement, each["Resource"])
    return PolicyDocument.parse(json.dumps({"Version": VERSION, "Statement": known}))


def _known(reference: str) -> str:
    return f"${{{reference}}}" if reference.startswith("AWS::") else _WILDCARD


def _resources(statement: Statement, known: str | list[str]) -> list[str]:
    """Return the known resources; a completely unknown resource gets the type that the action needs."""
    kind = RESOURCE_TYPE_OF.get(statement.actions[0].text)
    return [
        f"{_ARN}:{kind}/{_WILDCARD}" if kind and each == _WILDCARD != given.text else each
        for given, each in zip(statement.resources, [known] if isinstance(known, str) else known, strict=True)
    ]
