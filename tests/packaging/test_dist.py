"""`make dist`, and what a code host runs of this repository."""

import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from tools.dist import DistributionError, Distributions, build, check_contents, check_release, main
from tools.locks import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
BY_SCHEMA = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.github-issue-forms": sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")),
}


needs_version_control = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="the contents are compared with what git lists, and this is no clone"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.mark.exhaustive
@pytest.mark.timeout(900)  # It installs what it has built, twice: half a minute where nothing else runs.
@needs_version_control
def test_make_dist_builds_and_checks_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path)]) is None

    names = {file.name.partition("0.")[2].lstrip("0123456789.") for file in tmp_path.iterdir()}
    assert names == {"-py3-none-any.whl", "tar.gz", "-wheel.cdx.json", "-functions.cdx.json"}
    assert capsys.readouterr().out.count(", checked") == len(names)


@needs_version_control
def test_the_contents_are_the_files_under_version_control(built: Distributions) -> None:
    check_contents(built)


@needs_version_control
def test_an_unexpected_file_in_the_wheel_is_named(built: Distributions, tmp_path: Path) -> None:
    wheel = tmp_path / built.wheel.name
    wheel.write_bytes(built.wheel.read_bytes())
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("iot_jitr/ca.key", "")

    with pytest.raises(DistributionError, match=r"Unexpected: \['iot_jitr/ca\.key'\]"):
        check_contents(replace(built, wheel=wheel))


@needs_version_control
def test_a_missing_file_in_the_sdist_is_named(built: Distributions, tmp_path: Path) -> None:
    sdist = tmp_path / built.sdist.name
    with tarfile.open(built.sdist) as source, tarfile.open(sdist, "w:gz") as changed:
        for member in source.getmembers():
            if member.isfile() and not member.name.endswith("/requirements.lock"):
                content = source.extractfile(member)
                changed.addfile(member, content or io.BytesIO())

    with pytest.raises(DistributionError, match=r"Missing: \['requirements\.lock'\]"):
        check_contents(replace(built, sdist=sdist))


@pytest.mark.parametrize(
    ("tag", "changelog", "named"),
    [
        ("v0.0.9", "## 0.1.0, 2026-12-01\n", "v0.0.9"),
        ("0.1.0", "## 0.1.0, 2026-12-01\n", "tag v0.1.0"),
        ("v0.1.0", "## 0.1.0, unreleased\n", "CHANGELOG.md"),
        ("v0.1.0", "## 0.1.01, 2026-12-01\n", "CHANGELOG.md"),
    ],
)
def test_a_release_with_another_tag_or_changelog_is_refused(tag: str, changelog: str, named: str) -> None:
    with pytest.raises(DistributionError, match=named):
        check_release(tag, changelog)


def test_a_release_with_its_tag_and_changelog_is_accepted() -> None:
    check_release("v0.1.0", "# Changelog\n\n## 0.1.0, 2026-12-01\n\nThe first version.\n")


def test_a_wrong_release_ends_with_one_line_before_anything_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "dist"

    wrong = main(["--release", "v0.0.9", "--directory", str(folder)])

    assert wrong is not None
    assert wrong.startswith("error: the tag is v0.0.9")
    assert not folder.exists()


@pytest.mark.parametrize("schema", BY_SCHEMA)
def test_files_for_the_code_host_match_their_schemas(schema: str) -> None:
    files = [str(file) for file in BY_SCHEMA[schema]]
    assert files

    result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *files])

    assert result.exit_code == 0, result.output


def test_the_workflows_have_least_permissions() -> None:
    """By zizmor's strictest rules: actions pinned by hash, no credentials kept, no shell injection."""
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--persona=pedantic", str(GITHUB)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_hook_before_a_commit_is_installed_by_the_set_up() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        program, *_ = hook["entry"].split()
        assert (ROOT / program).is_file(), hook["id"]
