"""The CDK app: one `JitrStack` made from the context `jitr` of `cdk.json`."""

import sys
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk

from iot_jitr.configuration import CONTEXT_KEY, JitrConfiguration
from iot_jitr.stack import JitrStack
from iot_jitr.validation import ConfigurationError
from iot_jitr_runtime.errors import JitrError

STACK_ID = "Jitr"
CONTEXT_VARIABLE = "CDK_CONTEXT_JSON"
"""The environment variable in which the `cdk` command passes the context."""


def build(app: cdk.App, folder: Path, synthesizer: cdk.IStackSynthesizer | None = None) -> JitrStack:
    """Add the stack to `app`.

    Args:
        app: The app, whose context holds the configuration.
        folder: The folder of `cdk.json`; relative paths in the configuration start there.
        synthesizer: How assets are published; None: that of the app.

    Raises:
        JitrError: The configuration is wrong, or the Lambda asset could not be built.
    """
    configuration = JitrConfiguration.parse(app.node.try_get_context(CONTEXT_KEY), folder)
    return JitrStack(app, STACK_ID, configuration, synthesizer=synthesizer)


def main(build: Callable[[cdk.App, Path], JitrStack] = build) -> int:
    """Synthesize; called by the CDK command line in the folder of `cdk.json`.

    Args:
        build: Adds the stack to the app.

    Returns:
        0 on success; 1 after one line on standard error with the error and the allowed values.
    """
    try:
        app = _app()
        build(app, Path.cwd())
    except JitrError as error:
        sys.stderr.write(f"iot-jitr: {error}\n")
        return 1
    app.synth()
    return 0


def _app() -> cdk.App:
    try:
        return cdk.App()
    except RuntimeError as error:
        # jsii returns an error of the CDK as text; its last line contains the value that was found.
        found = f"text that is not JSON ({str(error).splitlines()[-1]})"
        raise ConfigurationError(
            CONTEXT_VARIABLE, found, "the context as JSON, as the cdk command gives it"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
