"""The progress of a `cdk deploy`, read from its output."""

import re
from dataclasses import dataclass, field

_COMPLETE = re.compile(r"\|\s+(?:CREATE|UPDATE)_COMPLETE\s+\|\s+(\S+)\s+\|\s+(.+)")
_STACK = "AWS::CloudFormation::Stack"
_PHASES = (
    ("Synthesis time", "publishing the functions' code"),
    (": creating stack", "creating resources"),
    (": updating stack", "updating resources"),
)


@dataclass
class DeployProgress:
    """The progress, updated by `read` with each line; its string form is one phrase."""

    phase: str = "synthesizing the template"
    _done: set[str] = field(default_factory=set)

    @property
    def resources(self) -> int:
        """Number of complete resources."""
        return len(self._done)

    def read(self, line: str) -> None:
        """Update the progress from one line of the CDK command line's output."""
        self.phase = next((phase for mark, phase in _PHASES if mark in line), self.phase)
        found = _COMPLETE.search(line)
        if found and found[1] != _STACK:
            self._done.add(found[2].strip())

    def __str__(self) -> str:
        return f"{self.phase}, {self.resources} done" if self._done else self.phase
