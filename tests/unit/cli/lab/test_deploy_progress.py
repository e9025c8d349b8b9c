"""How far a deployment is, by what the CDK command line prints."""

import pytest

from iot_jitr_cli.lab.deploy_progress import DeployProgress

OUTPUT = """\
✨  Synthesis time: 5.92s
iot-jitr: start: Publishing Jitr/Activator/Code (current_account-current_region-7c1c94a7)
iot-jitr: creating stack...
iot-jitr |   1 | 12:54:01 PM | CREATE_IN_PROGRESS      | AWS::SQS::Queue                 | Jitr/Queue (Q1)
iot-jitr |   2 | 12:54:01 PM | CREATE_COMPLETE         | AWS::SQS::Queue                 | Jitr/Queue (Q1)
iot-jitr |   2 | 12:54:01 PM | CREATE_COMPLETE         | AWS::SQS::Queue                 | Jitr/Queue (Q1)
iot-jitr |   3 | 12:54:02 PM | UPDATE_COMPLETE         | AWS::IAM::Role                  | Jitr/Role (R1)
iot-jitr |   4 | 12:54:02 PM | CREATE_COMPLETE         | AWS::CloudFormation::Stack      | iot-jitr
""".splitlines()


@pytest.mark.parametrize(
    ("lines", "phrase"),
    [
        (0, "synthesizing the template"),
        (1, "publishing the functions' code"),
        (3, "creating resources"),
        (8, "creating resources, 2 done"),
    ],
)
def test_each_phase_and_each_resource_counts_once(lines: int, phrase: str) -> None:
    progress = DeployProgress()

    for line in OUTPUT[:lines]:
        progress.read(line)

    assert str(progress) == phrase


def test_an_update_is_called_one() -> None:
    progress = DeployProgress()

    progress.read("iot-jitr: updating stack...")

    assert str(progress) == "updating resources"
