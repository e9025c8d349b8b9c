"""What synthesis, the functions and the command line may import."""

import subprocess
import sys

import pytest

_NOT_FOR_SYNTHESIS = (
    "boto3",
    "botocore",
    "click",
    "rich",
    "paho",
    "ministack",
    "aws_lambda_powertools",
    "iot_jitr_cli",
)
_NOT_FOR_FUNCTIONS = ("aws_cdk", "iot_jitr", "iot_jitr_policy", "iot_jitr_cli", "click", "rich")
_REFUSE_IMPORTS = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {refused!r}:
            raise ImportError(f"{{name}} must not be needed here")

sys.meta_path.insert(0, Refuse())
import {module}
"""


@pytest.mark.parametrize(
    ("module", "refused"),
    [
        ("iot_jitr", _NOT_FOR_SYNTHESIS),
        ("iot_jitr.app", _NOT_FOR_SYNTHESIS),
        ("iot_jitr_policy.lint", (*_NOT_FOR_SYNTHESIS, "aws_cdk", "iot_jitr")),
        ("iot_jitr_runtime.activator.handler", _NOT_FOR_FUNCTIONS),
        ("iot_jitr_runtime.ca_registration.handler", _NOT_FOR_FUNCTIONS),
        ("iot_jitr_cli.main", ("aws_cdk", "ministack", "aws_lambda_powertools")),
    ],
)
def test_each_package_imports_only_what_it_may(module: str, refused: tuple[str, ...]) -> None:
    script = _REFUSE_IMPORTS.format(refused=refused, module=module)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
