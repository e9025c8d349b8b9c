"""A lab as a library, on a real MiniStack; the CDK command line is a stand-in that deploys nothing.

That the real one deploys the real stack is held by the end-to-end tests.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import lab as lab_module
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.waiting import wait_until
from tests.support.cdk_stand_in import DEPLOYS, FAILS, replace_cdk
from tests.support.limits import LONGEST_WAIT
from tests.support.processes import processes_in

pytestmark = pytest.mark.timing

NOTES_ITS_CALL = """
import json, os, pathlib, sys
cdk_json = json.loads(pathlib.Path("cdk.json").read_text())
pathlib.Path("seen.json").write_text(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}))
print(sys.argv[1], cdk_json["context"]["jitr"]["account_logging"])
"""


@pytest.fixture
def deploying_cdk(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cdk(monkeypatch, NOTES_ITS_CALL + DEPLOYS)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for the tests of this module; each deploys what it needs."""
    with Lab.start(tmp_path_factory.mktemp("labs") / "lab") as running:
        yield running


def seen(lab: Lab) -> dict:
    return json.loads((lab.files.project / "seen.json").read_text())


@pytest.mark.usefixtures("deploying_cdk")
def test_deploying_runs_cdk_deploy_with_the_local_clouds_credentials_and_stores_the_outputs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the caller's")
    lines: list[str] = []

    deployment = lab.deploy({"cas": [{"certificate": "/ca.pem"}]}, lines.append)

    call = seen(lab)
    assert call["arguments"][:3] == ["deploy", "--all", "--require-approval=never"]
    assert call["environment"]["AWS_ENDPOINT_URL"] == lab.ministack.url
    assert call["environment"]["AWS_ACCESS_KEY_ID"] == lab.ministack.access_key_id
    assert "the caller's" not in call["environment"].values()
    assert lines == ["deploy none"]
    assert (deployment.stack, deployment.outputs, deployment.ca_certificate) == (
        "iot-jitr",
        {"LedgerTable": "t"},
        "/ca.pem",
    )
    assert Lab.attach(lab.files.folder).deployed == deployment


@pytest.mark.usefixtures("deploying_cdk")
def test_destroying_runs_cdk_destroy_on_what_was_deployed_and_removes_it_from_the_state(lab: Lab) -> None:
    lab.deploy({})

    lab.destroy()

    assert seen(lab)["arguments"][:4] == ["destroy", "--all", "--force", "--app=cdk.out"]
    assert lab.deployed is None
    assert Lab.attach(lab.files.folder).deployed is None


def test_a_failed_deployment_has_the_reason_from_cloudformation(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_cdk(monkeypatch, FAILS)
    cloudformation = lab.client("cloudformation")
    rule = {
        "Type": "AWS::IoT::TopicRule",
        "Properties": {"TopicRulePayload": {"Sql": "nonsense", "Actions": []}},
    }
    cloudformation.create_stack(StackName="broken", TemplateBody=json.dumps({"Resources": {"Rule": rule}}))
    assert wait_until(
        lambda: cloudformation.describe_stacks()["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE",
        limit=LONGEST_WAIT,
    )

    with pytest.raises(
        CliError, match=r"'cdk deploy' failed: Rule \(AWS::IoT::TopicRule\): Rule SQL must be"
    ):
        lab.deploy({})

    cloudformation.delete_stack(StackName="broken")


def test_a_deployment_that_takes_too_long_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_cdk(monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(lab_module, "_DEPLOY_LIMIT", -1.0)

    with pytest.raises(CliError, match=r"'cdk deploy' did not end .*cdk\.log"):
        lab.deploy({})


def test_a_secret_is_stored_and_replaced(lab: Lab) -> None:
    lab.put_secret("name", "first")
    lab.put_secret("name", "second")

    assert lab.client("secretsmanager").get_secret_value(SecretId="name")["SecretString"] == "second"


def test_a_stopped_lab_is_not_found_and_the_context_manager_removes_it(
    tmp_path: Path,
) -> None:
    with Lab.start(tmp_path / "lab") as lab:
        process = lab.ministack.process
        lab.stop_and_keep_logs()

        assert Lab.find(tmp_path / "lab") is None
        assert not process.is_running()
        assert lab.files.ministack_log.is_file()

    assert list(tmp_path.iterdir()) == []


def test_a_lab_that_cannot_be_prepared_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lab, "_prepare", Mock(side_effect=KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        Lab.start(tmp_path / "lab")

    assert processes_in(tmp_path / "lab") == []


def test_an_ended_local_cloud_is_named_as_the_cause_of_an_error(tmp_path: Path) -> None:
    with Lab.start(tmp_path / "lab") as lab:
        psutil.Process(lab.ministack.process.pid).kill()

        with pytest.raises(CliError, match=r"has ended; last line of .*ministack\.log"), lab.needed():
            lab.put_secret("name", "value")


def test_an_error_while_the_local_cloud_runs_propagates_unchanged(lab: Lab) -> None:
    with pytest.raises(ValueError, match="of its own"), lab.needed():
        raise ValueError("of its own")


def test_a_lab_ends_with_its_caller_even_if_the_caller_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from iot_jitr_cli.lab.lab import Lab; "
        "Lab.start(Path(sys.argv[1])); print('started', flush=True); time.sleep(600)"
    )
    folder = tmp_path / "lab"
    caller = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"started\n"
    assert processes_in(folder)

    caller.kill()
    caller.communicate()

    assert wait_until(lambda: not processes_in(folder), limit=LONGEST_WAIT)
