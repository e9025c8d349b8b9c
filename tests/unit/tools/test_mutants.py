"""`make mutants`: what it mutates exists, and its score counts the mutants that were noticed."""

import json
import tomllib
from pathlib import Path

import pytest

from tools.mutants import PARTS, ModuleScore, configuration, forget_what_tests_reach, scores

ROOT = Path(__file__).parents[3]
SETTINGS = {part: tomllib.loads(configuration(part))["tool"]["mutmut"] for part in PARTS}


@pytest.mark.parametrize(
    "patterns", list(zip(*(each["only_mutate"] for each in SETTINGS.values()), strict=True))
)
def test_each_module_to_mutate_exists(patterns: tuple[str, ...]) -> None:
    found = [ROOT / "lambda" / pattern.removeprefix("src/") for pattern in patterns]

    assert any(path.exists() for path in found)


@pytest.mark.parametrize("part", PARTS)
def test_each_selected_or_excluded_test_exists(part: str) -> None:
    for test in SETTINGS[part]["pytest_add_cli_args_test_selection"]:
        assert (ROOT / test.removeprefix("--ignore=")).exists()


def test_a_module_of_the_root_is_mutated_with_its_own_tests() -> None:
    settings = SETTINGS["rate_limiter"]

    assert "src/iot_jitr_runtime/rate_limiter.py" in settings["only_mutate"]
    assert "tests/unit/runtime/test_rate_limiter.py" in settings["pytest_add_cli_args_test_selection"]


def test_mutants_noticed_by_tests_types_or_time_count(tmp_path: Path) -> None:
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    codes = {"noticed": 1, "survived": 0, "slow": -24, "typed": 37, "untested": 33}
    (package / "module.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))

    [score] = scores(tmp_path)

    assert score == ModuleScore("package.module", 3, 5, ("survived", "untested"))
    assert score.percent == 60


@pytest.mark.parametrize("codes", [{}, {"done": 1, "ahead": None}])
def test_a_module_without_a_complete_run_has_no_score(tmp_path: Path, codes: dict[str, int | None]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "module.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))

    assert scores(tmp_path) == []


def test_only_changed_tests_are_traced_again(tmp_path: Path) -> None:
    stats = tmp_path / "mutmut-stats.json"
    forget_what_tests_reach(stats)
    assert not stats.exists()

    known = {"function_hashes": {"f": "1"}, "git_commit": None}
    stats.write_text(
        json.dumps(known | {"tests_by_mangled_function_name": {"f": ["t"]}, "duration_by_test": {"t": 1}})
    )
    forget_what_tests_reach(stats)

    assert json.loads(stats.read_text()) == known | {
        "tests_by_mangled_function_name": {},
        "duration_by_test": {},
    }
