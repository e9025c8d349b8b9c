"""Names that are unique to a pipeline in its account and region."""

import hashlib
import re
from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

_LONGEST_SERVICE_NAME = 128
"""Names of metrics and of saved queries contain this name and have 255 characters at most."""
_DIGEST_LENGTH = 8
_LONGEST_POLICY_PREFIX = 64
"""Maximum length of a prefix: a policy name has 128 characters, and 64 of them are the certificate's id
(https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html)."""


def service_name(pipeline: "Construct") -> str:
    """The stack's name and the pipeline's path in it; together they are unique in an account and region."""
    name = _stack_and_path(pipeline)
    if len(name) <= _LONGEST_SERVICE_NAME:
        return name
    return cdk.Names.unique_resource_name(pipeline, max_length=_LONGEST_SERVICE_NAME)


def policy_prefix(pipeline: "Construct") -> str:
    """Prefix of the names of a pipeline's per-device policies; 64 characters at most.

    The digest comes first and has a fixed length, so no pipeline's prefix is the beginning of another one's.
    """
    name = _stack_and_path(pipeline)
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", name)
    return f"{f'jitr-{digest}-{readable}'[: _LONGEST_POLICY_PREFIX - 1]}-"


def _stack_and_path(pipeline: "Construct") -> str:
    """The pipeline's path from the outermost stack on: the name of a nested one is not known at synthesis."""
    stack = cdk.Stack.of(pipeline)
    while (outer := stack.nested_stack_parent) is not None:
        stack = outer
    below = [scope.node.id for scope in pipeline.node.scopes[len(stack.node.scopes) :]]
    return "/".join([stack.stack_name, *below])
