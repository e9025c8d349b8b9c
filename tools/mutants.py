"""`make mutants`: make small changes to parts of the runtime, and report those that no test detects.

mutmut needs the sources in `src/` of its working folder. This copies the runtime and its tests into that
folder, for one part after the other, runs mutmut, and prints the score of each module and every survivor with
its difference. The first run takes half an hour; later runs test only changed functions, and the given part:

    python -m tools.mutants                        everything
    python -m tools.mutants activator.on_refusal   one module of a package
    python -m tools.mutants rate_limiter           one module beside the packages
    python -m tools.mutants --report               the last results again
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKBENCHES = ROOT / "build" / "mutants"
RUNTIME = "iot_jitr_runtime"
PARTS = {
    "activator": "activator",
    "ledger": "ledger",
    "revocation": "revocation",
    "deadline": "test_deadline.py",
    "dynamodb": "test_dynamodb.py",
    "rate_limiter": "test_rate_limiter.py",
}
"""Each mutated package or module of the runtime, and its tests in `tests/unit/runtime`."""
NOTICED = frozenset({1, 3, -24, 24, 36, 37, 152, 255})
"""mutmut's exit codes for a mutant that a test or the type checker detects, including a time-out."""


@dataclass(frozen=True)
class ModuleScore:
    """The number of mutants of one module, and the number that the tests detect."""

    module: str
    noticed: int
    total: int
    survivors: tuple[str, ...]

    @property
    def percent(self) -> float:
        """The share of mutants that a test detects, 0-100."""
        return 100 * self.noticed / self.total


def configuration(part: str) -> str:
    """The settings of mutmut for one part, TOML."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    markers = project["tool"]["pytest"]["ini_options"]["markers"]
    template = (ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8")
    settings = {"@part@": part, "@tests@": PARTS[part], "@markers@": json.dumps(markers)}
    for name, value in settings.items():
        template = template.replace(name, value)
    return template


def prepare(part: str) -> Path:
    """Copy sources and tests into mutmut's folder; the results of former runs stay."""
    workbench = WORKBENCHES / part
    workbench.mkdir(parents=True, exist_ok=True)
    for folder in (workbench / "src", workbench / "tests", workbench / "mutants" / "tests"):
        shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lambda" / RUNTIME, workbench / "src" / RUNTIME, ignore=ignored)
    # Tests compare with the model of cost.
    shutil.copytree(ROOT / "tools", workbench / "tools", ignore=ignored, dirs_exist_ok=True)
    for tests in ("support", "conftest.py", "unit/runtime/conftest.py", f"unit/runtime/{PARTS[part]}"):
        source, copy = ROOT / "tests" / tests, workbench / "tests" / tests
        if source.is_dir():
            shutil.copytree(source, copy, ignore=ignored)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    (workbench / "pyproject.toml").write_text(configuration(part), encoding="utf-8")
    forget_what_tests_reach(workbench / "mutants" / "mutmut-stats.json")
    return workbench


def forget_what_tests_reach(stats: Path) -> None:
    """Delete mutmut's record of the functions that each test reaches, so that mutmut measures it again.

    mutmut measures new tests only, by their names, but a changed test may reach more functions than before.
    """
    if stats.exists():
        found = json.loads(stats.read_text(encoding="utf-8"))
        found |= {"tests_by_mangled_function_name": {}, "duration_by_test": {}}
        stats.write_text(json.dumps(found), encoding="utf-8")


def scores(results: Path) -> list[ModuleScore]:
    """Read mutmut's results of each module that has mutants and was tested completely."""
    found = []
    for meta in sorted(results.rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not codes or None in codes.values():
            continue
        survivors = tuple(sorted(name for name, code in codes.items() if code not in NOTICED))
        module = meta.relative_to(results / "src").with_suffix("").with_suffix("")
        found.append(ModuleScore(".".join(module.parts), len(codes) - len(survivors), len(codes), survivors))
    return found


def main() -> int:
    """Run mutmut and report; the exit code is 0 unless mutmut failed."""
    parser = argparse.ArgumentParser(
        description="mutation testing of activator, ledger, CRL engine and rate limiter"
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART[.MODULE]",
        help="parts to test again; default: all changed functions",
    )
    parser.add_argument("--report", action="store_true", help="only print the results of the last run")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: 2)")
    chosen = parser.parse_args()
    chosen_parts: list[str] = chosen.parts or list(PARTS)
    programs = Path(sys.executable).parent
    mutmut = str(programs / "mutmut")
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "MYPYPATH": "src"}
    code = 0
    for part in PARTS:
        again = [f"{RUNTIME}.{each}.*" for each in chosen_parts if each.startswith(f"{part}.")]
        if chosen.report or not (again or part in chosen_parts):
            continue
        run = [mutmut, "run", "--max-children", str(chosen.jobs), *again]
        code = subprocess.run(run, cwd=prepare(part), env=environment, check=False).returncode or code
    found = [score for part in PARTS for score in scores(WORKBENCHES / part / "mutants")]
    for score in found:
        for survivor in score.survivors:
            workbench = WORKBENCHES / score.module.split(".")[1]
            subprocess.run([mutmut, "show", survivor], cwd=workbench, check=False)
    for score in found:
        print(f"{score.percent:5.1f} %  {score.noticed:4} of {score.total:4}  {score.module}")
    total = Counter(noticed=sum(s.noticed for s in found), mutants=sum(s.total for s in found))
    if total["mutants"]:
        print(f"{100 * total['noticed'] / total['mutants']:5.1f} %  all together")
    return code


if __name__ == "__main__":
    sys.exit(main())
