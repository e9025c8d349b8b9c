"""A device policy as data: read from a JSON template, written in AWS's format.

The shape is AWS IoT Core's (Developer Guide, "AWS IoT Core policies"), with one additional key: a statement's
`acknowledge` is the reason for an exception from the rules. It is not deployed.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from iot_jitr_policy.positions import DuplicateKeyError, Path, lines_of
from iot_jitr_policy.vocabulary import COMMON_NAME, VARIABLE, VERSION
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder

DOCUMENT_KEYS = ("Version", "Statement", "Id")
STATEMENT_KEYS = ("Sid", "Effect", "Action", "Resource", "Condition", "acknowledge")


class PolicySyntaxError(JitrError):
    """The text is not a policy document; `line` is the line of the error."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class Effect(StrEnum):
    """The effect of a statement: allow or deny."""

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
            PolicySyntaxError: Not JSON, a duplicate key, or not the structure of an AWS IoT Core policy.
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
        """Return the document in AWS's format."""
        statements = [
            {key: value for key, value in s.source.items() if key != "acknowledge"} for s in self.statements
        ]
        return {"Version": VERSION, "Statement": statements}

    def text(self) -> str:
        """Return the document in AWS's format, without white space between tokens."""
        return json.dumps(self.plain(), separators=(",", ":"))

    @property
    def needs_common_name(self) -> bool:
        """Whether it identifies devices by the common name of their certificate."""
        text = self.text()
        return COMMON_NAME in VARIABLE.findall(text) or Placeholder.COMMON_NAME in PLACEHOLDER.findall(text)

    def with_statements_of(self, other: "PolicyDocument") -> "PolicyDocument":
        """Return this policy with another's statements after its own."""
        return PolicyDocument(self.statements + other.statements)


@dataclass(frozen=True)
class _Reader:
    lines: Mapping[Path, int]

    def document(self, raw: Any) -> PolicyDocument:
        self._expect(isinstance(raw, dict), (), raw, "a JSON object with Version and Statement")
        self._refuse_other_keys((), raw, DOCUMENT_KEYS)
        version, statements = raw.get("Version"), raw.get("Statement")
        self._expect(
            version == VERSION, ("Version",), version, f'"{VERSION}": older ones replace no policy variables'
        )
        if isinstance(statements, dict):
            return PolicyDocument((self._statement(("Statement",), statements),))
        a_list = isinstance(statements, list) and statements != []
        self._expect(a_list, ("Statement",), statements, "a list of statements")
        return PolicyDocument(
            tuple(self._statement(("Statement", i), each) for i, each in enumerate(statements))
        )

    def _statement(self, path: Path, raw: Any) -> Statement:
        self._expect(isinstance(raw, dict), path, raw, "a statement (a JSON object)")
        self._refuse_other_keys(path, raw, STATEMENT_KEYS)
        effect, sid = raw.get("Effect"), raw.get("Sid", "")
        self._expect(effect in list(Effect), (*path, "Effect"), effect, '"Allow" or "Deny"')
        self._expect(isinstance(sid, str), (*path, "Sid"), sid, "a string")
        return Statement(
            effect=Effect(effect),
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
        texts = isinstance(raw, list) and raw != [] and all(isinstance(each, str) for each in raw)
        self._expect(texts, path, raw, "a string or a list of strings, not empty")
        return tuple(Term(each, self.lines[(*path, i)]) for i, each in enumerate(raw))

    def _conditions(self, path: Path, raw: Any) -> tuple[Condition, ...]:
        self._expect(isinstance(raw, dict), path, raw, "a JSON object of operators")
        found = []
        for operator, tests in raw.items():
            self._expect(isinstance(tests, dict), (*path, operator), tests, "a JSON object of condition keys")
            for key, each in tests.items():
                where = (*path, operator, key)
                line = self.lines[where]
                is_flag = isinstance(each, bool)
                values = (Term(str(each).lower(), line),) if is_flag else self._terms(where, each)
                found.append(Condition(operator, key, values, line))
        return tuple(found)

    def _acknowledgement(self, path: Path, raw: Mapping[str, Any]) -> str | None:
        if "acknowledge" not in raw:
            return None
        reason = raw["acknowledge"]
        given = isinstance(reason, str) and reason.strip() != ""
        self._expect(given, path, reason, "the reason for the exception, as text")
        return str(reason).strip()

    def _refuse_other_keys(self, path: Path, raw: Mapping[str, Any], known: Collection[str]) -> None:
        for key in raw:
            if key not in known:
                problem = f"unknown key '{key}'; known are {', '.join(known)}"
                raise PolicySyntaxError(self.lines[(*path, key)], problem)

    def _expect(self, condition: object, path: Path, found: Any, expected: str) -> None:
        if condition:
            return
        where = ".".join(str(step) for step in path) or "the document"
        line = next(self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines)
        shown = "nothing" if found is None else json.dumps(found)[:60]
        raise PolicySyntaxError(line, f"{where} is {shown}; expected {expected}")
