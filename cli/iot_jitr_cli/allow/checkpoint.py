"""How far a load has come, kept beside the file, so that one that was cut off goes on where it stopped."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

_SUFFIX = ".jitr-load"


@dataclass(frozen=True)
class Checkpoint:
    """The progress of loading one file into one table."""

    file: Path
    table: str

    @property
    def path(self) -> Path:
        """Where it is kept: beside the file."""
        return self.file.with_name(f".{self.file.name}{_SUFFIX}")

    def read(self) -> int:
        """Return how many rows are known to be loaded; 0 for a changed file, or another table."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        if not isinstance(kept, dict) or kept.get("of") != self._identity():
            return 0
        rows = kept.get("rows")
        return rows if isinstance(rows, int) and rows >= 0 else 0

    def write(self, rows: int) -> bool:
        """Note that the first `rows` rows are loaded; tell whether it could be noted."""
        content = json.dumps({"of": self._identity(), "rows": rows})
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
            return False
        return True

    def clear(self) -> None:
        """Forget it: everything is loaded."""
        self.path.unlink(missing_ok=True)

    def _identity(self) -> list[object]:
        found = self.file.stat()
        return [self.table, found.st_size, found.st_mtime_ns]
