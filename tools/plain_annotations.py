"""For the Python reference of the documentation site: types without the rules that `Annotated` adds."""

from typing import Any

import griffe


class PlainAnnotations(griffe.Extension):
    """Shows `Annotated[int, whole_number(1, 1000)]` as `int`: the docstring has the range."""

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Change an attribute's type."""
        attr.annotation = _plain(attr.annotation)

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Change the types of the parameters and of the return value."""
        for parameter in func.parameters:
            parameter.annotation = _plain(parameter.annotation)
        func.returns = _plain(func.returns)


def _plain(annotation: str | griffe.Expr | None) -> str | griffe.Expr | None:
    if isinstance(annotation, griffe.ExprSubscript) and annotation.canonical_path.endswith("Annotated"):
        inner = annotation.slice
        return inner.elements[0] if isinstance(inner, griffe.ExprTuple) else inner
    return annotation
