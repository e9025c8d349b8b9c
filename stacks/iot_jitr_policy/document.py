"""A device policy as data: read from a JSON template, written as AWS accepts it.

The shape is AWS IoT Core's (Developer Guide, "AWS IoT Core policies"), with one additional key: a statement's
`acknowledge` is the reason for an exception from the rules. It is not deployed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from iot_jitr_policy.positions import DuplicateKeyError, Path, lines_of
from iot_jitr_policy.vocabulary import COMMON_NAME, VARIABLE, VERSION
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder

STATEMENT_KEYS = {"Sid", "Effect", "Action", "Resource", "Condition", "acknowledge"}


class PolicySyntaxError(JitrError):
    """The text is not a policy document; `line` is the line of the error."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class Effect(StrEnum):
    """What a statement does to what it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Term:
    """A string of a statement and its line."""

    text: str
    line: int


@dataclass(frozen=True)
class Condition:
    """One test of a statement's condition block: operator, key, and the values that satisfy it."""

    operator: str
    key: str
    values: tuple[Term, ...]
    line: int


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    effect: Effect
    actions: tuple[Term, ...]
    resources: tuple[Term, ...]
    conditions: tuple[Condition, ...]
    acknowledge: str | None
    line: int
    source: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The statement's Sid, or its line."""
        return str(self.source.get("Sid") or f"statement in line {self.line}")


@dataclass(frozen=True)
class PolicyDocument:
    """A policy: the statements, in order."""

    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, text: str) -> "PolicyDocument":
        """Read a policy document or template.

        Raises:
            PolicySyntaxError: Not JSON, a duplicate key, or not the shape of an AWS IoT Core policy.
        """
        try:
            raw, lines = json.loads(text), lines_of(text)
        except json.JSONDecodeError as error:
            raise PolicySyntaxError(error.lineno, f"not JSON: {error.msg} (column {error.colno})") from error
        except DuplicateKeyError as error:
            raise PolicySyntaxError(error.line, str(error)) from error
        except RecursionError as error:
            raise PolicySyntaxError(1, "nested too deeply to be a policy") from error
        return _Reader(lines).document(raw)

    def plain(self) -> dict[str, Any]:
        """Return the document as AWS accepts it."""
        statements = [
            {key: value for key, value in s.source.items() if key != "acknowledge"} for s in self.statements
        ]
        return {"Version": VERSION, "Statement": statements}

    def text(self) -> str:
        """Return the document as AWS accepts it, without white space between tokens."""
        return json.dumps(self.plain(), separators=(",", ":"))

    @property
    def needs_common_name(self) -> bool:
        """Whether it distinguishes devices by the common name of their certificate."""
        text = self.text()
        return COMMON_NAME in VARIABLE.findall(text) or Placeholder.COMMON_NAME in PLACEHOLDER.findall(text)

    def with_statements_of(self, other: "PolicyDocument") -> "PolicyDocument":
        """Return this policy with another's statements after its own."""
        return PolicyDocument(self.statements + other.statements)


@dataclass(frozen=True)
class _Reader:
    lines: Mapping[Path, int]

    def document(self, raw: Any) -> PolicyDocument:
        if not isinstance(raw, dict):
            raise self._wrong((), raw, "a JSON object with Version and Statement")
        for key in raw.keys() - {"Version", "Statement", "Id"}:
            raise PolicySyntaxError(
                self.lines[(key,)], f"unknown key '{key}'; a policy has Version and Statement"
            )
        if raw.get("Version") != VERSION:
            raise self._wrong(
                ("Version",), raw.get("Version"), f'"{VERSION}": older ones replace no policy variables'
            )
        statements = raw.get("Statement")
        if isinstance(statements, dict):
            return PolicyDocument((self._statement(("Statement",), statements),))
        if not isinstance(statements, list) or not statements:
            raise self._wrong(("Statement",), statements, "a list of statements")
        return PolicyDocument(
            tuple(self._statement(("Statement", i), each) for i, each in enumerate(statements))
        )

    def _statement(self, path: Path, raw: Any) -> Statement:
        if not isinstance(raw, dict):
            raise self._wrong(path, raw, "a statement (a JSON object)")
        for key in raw.keys() - STATEMENT_KEYS:
            raise PolicySyntaxError(
                self.lines[(*path, key)],
                f"unknown key '{key}' in a statement; known are {', '.join(sorted(STATEMENT_KEYS))}",
            )
        if raw.get("Effect") not in list(Effect):
            raise self._wrong((*path, "Effect"), raw.get("Effect"), '"Allow" or "Deny"')
        sid = raw.get("Sid", "")
        if not isinstance(sid, str):
            raise self._wrong((*path, "Sid"), sid, "a string")
        return Statement(
            effect=Effect(raw["Effect"]),
            actions=self._terms((*path, "Action"), raw.get("Action")),
            resources=self._terms((*path, "Resource"), raw.get("Resource")),
            conditions=self._conditions((*path, "Condition"), raw.get("Condition", {})),
            acknowledge=self._acknowledgement((*path, "acknowledge"), raw),
            line=self.lines[path],
            source=raw,
        )

    def _terms(self, path: Path, raw: Any) -> tuple[Term, ...]:
        if isinstance(raw, str):
            return (Term(raw, self.lines[path]),)
        if not isinstance(raw, list) or not raw or not all(isinstance(each, str) for each in raw):
            raise self._wrong(path, raw, "a string or a list of strings, not empty")
        return tuple(Term(each, self.lines[(*path, i)]) for i, each in enumerate(raw))

    def _conditions(self, path: Path, raw: Any) -> tuple[Condition, ...]:
        if not isinstance(raw, dict):
            raise self._wrong(path, raw, "a JSON object of operators")
        found = []
        for operator, tests in raw.items():
            if not isinstance(tests, dict):
                raise self._wrong((*path, operator), tests, "a JSON object of condition keys")
            for key in tests:
                where = (*path, operator, key)
                found.append(Condition(operator, key, self._values(where, tests[key]), self.lines[where]))
        return tuple(found)

    def _values(self, path: Path, raw: Any) -> tuple[Term, ...]:
        if isinstance(raw, bool):
            return (Term(str(raw).lower(), self.lines[path]),)
        return self._terms(path, raw)

    def _acknowledgement(self, path: Path, raw: Mapping[str, Any]) -> str | None:
        if "acknowledge" not in raw:
            return None
        reason = raw["acknowledge"]
        if not isinstance(reason, str) or not reason.strip():
            raise self._wrong(path, reason, "the reason for the exception, as text")
        return reason.strip()

    def _wrong(self, path: Path, found: Any, expected: str) -> PolicySyntaxError:
        where = ".".join(str(step) for step in path) or "the document"
        line = next(self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines)
        shown = "nothing" if found is None else json.dumps(found)[:60]
        return PolicySyntaxError(line, f"{where} is {shown}; expected {expected}")
