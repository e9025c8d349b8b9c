"""Texts that contain references of CloudFormation, for messages and checks at synthesis."""

from collections.abc import Callable
from typing import Any


def written(resolved: Any, reference: Callable[[str], str]) -> str:
    """Return a text that the CDK has resolved, with its references replaced by readable text.

    Args:
        resolved: A text, a reference, or a join of both.
        reference: Returns the text for a reference: for `Name`, `Name.Attribute`, or the name of another
            function such as `Fn::ImportValue`.
    """
    match resolved:
        case {"Ref": str(name)}:
            return reference(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return reference(f"{name}.{attribute}")
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(written(part, reference) for part in parts)
        case dict():
            return reference(str(next(iter(resolved))))
    return str(resolved)
