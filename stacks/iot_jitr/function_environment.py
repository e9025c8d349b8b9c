"""Lambda's limit on the environment variables of a function, checked before a deployment."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from constructs import Construct

ENVIRONMENT_LIMIT = 4096
"""Bytes of all environment variables of a function together.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_TOKEN_BYTES = 64
"""The assumed size of a value that is known only at deployment: the length of a CA certificate's id."""


class EnvironmentTooLargeError(JitrError):
    """The environment variables of a function would be larger than Lambda allows: too many CAs."""


class LimitedFunction(lambda_.Function):
    """A function with no more environment variables than Lambda allows, wherever they are added."""

    def __init__(
        self, scope: "Construct", construct_id: str, variables: Mapping[str, str], **options: Any
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._variables = dict(variables)
        self._check_size()
        for name, value in variables.items():
            super().add_environment(name, value)

    def add_environment(
        self, key: str, value: str, *, remove_in_edge: bool | None = None
    ) -> lambda_.Function:
        """Add a variable, like the method of the base class.

        Raises:
            EnvironmentTooLargeError: With it, the variables would exceed Lambda's limit.
        """
        self._variables[key] = value
        self._check_size()
        return super().add_environment(key, value, remove_in_edge=remove_in_edge)

    def _check_size(self) -> None:
        sizes = {
            name: len(name.encode()) + _bytes_of(each)
            for name, each in cdk.Stack.of(self).resolve(self._variables).items()
        }
        size = sum(sizes.values())
        if size > ENVIRONMENT_LIMIT:
            raise EnvironmentTooLargeError(
                f"the environment variables of {self.node.path.removesuffix(f'/{self.node.id}')} would take "
                f"about {size:,} bytes, most of them in {max(sizes, key=sizes.__getitem__)}; Lambda allows "
                f"{ENVIRONMENT_LIMIT:,}: shorten the CRLs' URLs, or give some of the CAs a pipeline of their "
                "own"
            )


def _bytes_of(resolved: object) -> int:
    """Return the size of a resolved value: its own text, and `_TOKEN_BYTES` for each intrinsic function."""
    match resolved:
        case str():
            return len(resolved.encode())
        case {"Fn::Join": [str(), list(parts)]}:
            return sum(map(_bytes_of, parts))
        case _:
            return _TOKEN_BYTES
