"""The page of AWS, or the section of an RFC, that defines an option: the last line of its docstring."""

import re

_SOURCE = re.compile(r"\s*(https://(?:docs\.aws\.amazon\.com|www\.rfc-editor\.org)/\S+)$")
_PAGE = re.compile(r"`docs/([\w-]+\.md)`")
_RFC = re.compile(r"rfc(\d+)#section-([\d.]+)$")


def source_of(docstring: str) -> str | None:
    """The address at the end of a docstring."""
    found = _SOURCE.search(docstring.strip())
    return found[1] if found else None


def linked(docstring: str) -> str:
    """A docstring for a page in `docs`: the address at its end and the names of other pages are links."""
    text = _PAGE.sub(r"[\1](\1)", docstring.strip())
    return _SOURCE.sub(lambda found: f" {link(found[1])}", text)


def link(address: str) -> str:
    """A Markdown link.

    >>> link("https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5")
    '[RFC 5280, 5.1.2.5](https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5)'
    """
    rfc = _RFC.search(address)
    return f"[RFC {rfc[1]}, {rfc[2]}]({address})" if rfc else f"[AWS]({address})"
