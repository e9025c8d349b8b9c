"""Every module can be imported first, none imports itself by a detour, and functions get what they import."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("lambda", "stacks", "cli")

# One process, because to import the AWS SDK and the CDK for each of three hundred modules takes minutes:
# before each module, all of ours are forgotten. The constructs' package is replaced by an empty one, because
# its `__init__` imports its modules in an order in which a circle can go unnoticed.
_IMPORT_EACH = """
import importlib, sys, types

def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] in {packages!r}]:
        del sys.modules[name]

failed = []
for module in {modules!r}:
    forget()
    if module.startswith("iot_jitr."):
        package = sys.modules["iot_jitr"] = types.ModuleType("iot_jitr")
        package.__path__ = [{constructs!r}]
    try:
        importlib.import_module(module)
    except Exception as error:
        failed.append(f"{{module}}: {{type(error).__name__}}: {{error}}")
print(*failed, sep="\\n")
"""


@cache
def modules() -> dict[str, Path]:
    """Each module's name and file."""
    found = {}
    for root in SOURCE_ROOTS:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT / root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by(module: str) -> set[str]:
    """The modules of ours that `module` imports anywhere in it, also for types only.

    To import `a.b.c` is to import `a` and `a.b` as well, unless `module` is inside of them.
    """
    named = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                named.add(submodule if submodule in modules() else str(node.module))
    parts = (name.split(".") for name in named)
    with_packages = {".".join(each[: end + 1]) for each in parts for end in range(len(each))}
    return {
        name
        for name in with_packages & modules().keys()
        if name != module and not module.startswith(f"{name}.")
    } | (named & modules().keys()) - {module}


def test_there_is_no_import_cycle_also_not_for_types() -> None:
    try:
        TopologicalSorter({module: imported_by(module) for module in modules()}).prepare()
    except CycleError as error:
        detour = " -> ".join(reversed(error.args[1]))
    else:
        detour = ""

    assert detour == ""


def test_the_asset_contains_only_what_a_handler_imports() -> None:
    runtime = {module for module in modules() if module.startswith("iot_jitr_runtime.")}
    reached: set[str] = set()
    ahead = {module for module in runtime if module.endswith(".handler")}
    while ahead:
        reached |= ahead
        ahead = set().union(*map(imported_by, ahead)) - reached

    unused = {module for module in runtime - reached if modules()[module].name != "__init__.py"}
    # The names of the stack's outputs: what the stack and the command line agree on.
    assert unused == {"iot_jitr_runtime.stack_outputs"}


def test_every_module_can_be_imported_first() -> None:
    script = _IMPORT_EACH.format(
        modules=[module for module in modules() if module != "iot_jitr"],
        packages=sorted({module.partition(".")[0] for module in modules()}),
        constructs=str(ROOT / "stacks" / "iot_jitr"),
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2_000:]
