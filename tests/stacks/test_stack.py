"""`JitrStack` accepts the properties of every CDK stack."""

import json

import aws_cdk as cdk
import pytest

from iot_jitr import ConfigurationError, JitrStack
from tests.support.stacks import DEFAULTS, app_without_bundling, of_type, template


def test_the_stack_accepts_the_properties_of_a_cdk_stack() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(
            app,
            "Jitr",
            DEFAULTS,
            env=cdk.Environment(account="123456789012", region="eu-west-1"),
            tags={"team": "fleet"},
            permissions_boundary=cdk.PermissionsBoundary.from_name("boundary"),
            termination_protection=True,
            synthesizer=cdk.DefaultStackSynthesizer(qualifier="fleet"),
        )
        made = template(stack)
        assembly = app.synth()

    artifact = assembly.get_stack_by_name("iot-jitr")
    assert (artifact.environment.account, artifact.environment.region) == ("123456789012", "eu-west-1")
    assert artifact.tags == {"team": "fleet"}
    assert artifact.termination_protection
    assert "cdk-fleet-" in str(artifact.assume_role_arn)
    boundaries = {
        json.dumps(each["Properties"]["PermissionsBoundary"])
        for each in of_type(made, "AWS::IAM::Role").values()
    }
    assert len(boundaries) == 1
    assert "policy/boundary" in boundaries.pop()


def test_a_property_of_a_wrong_kind_is_refused_by_its_name() -> None:
    with app_without_bundling() as app, pytest.raises(ConfigurationError, match=r"^JitrStack\.synthesizer: "):
        JitrStack(app, "Jitr", DEFAULTS, synthesizer="legacy")  # type: ignore[arg-type]
