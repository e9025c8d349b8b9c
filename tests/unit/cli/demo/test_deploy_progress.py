"""How far a deployment is, by what the CDK command line prints."""

import pytest

from iot_jitr_cli.demo.deploy_progress import DeployProgress

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
        ([], "synthesizing the template"),
        (OUTPUT[:1], "publishing the functions' code"),
        (OUTPUT[:3], "creating resources"),
        (OUTPUT, "creating resources, 2 done"),
        (["iot-jitr: updating stack..."], "updating resources"),
    ],
)
def test_each_phase_and_each_resource_counts_once(lines: list[str], phrase: str) -> None:
    progress = DeployProgress()

    for line in lines:
        progress.read(line)

    assert str(progress) == phrase
