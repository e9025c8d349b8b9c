"""The CDK project that the lab deploys: this package's own app, configured for the local cloud."""

import json
import shlex
import sys
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Configuration = Mapping[str, Any]
"""The `jitr` context of `cdk.json`."""

CA_KEY_SECRET = "iot-jitr/lab/ca-key"  # noqa: S105  the secret's name
"""The secret with the CA's private key in the local cloud's Secrets Manager."""

FEATURE_FLAGS = "feature_flags.json"
"""The CDK's feature flags, copied from the repository's `cdk.json`, which is not in the wheel."""


def default_configuration(
    ca_certificate: "Path", ca_settings: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The configuration of the README's quick start, for one CA whose key is in Secrets Manager.

    Args:
        ca_certificate: The CA's certificate.
        ca_settings: Settings of this CA that replace the default ones.
    """
    ca = {
        "name": "Lab",
        "certificate": str(ca_certificate.resolve()),
        "signer": {"type": "secret", "secret": CA_KEY_SECRET},
        "revocation": "none",
    }
    return {"cas": [{**ca, **ca_settings}]}


CRL_IN_BUCKET = {"revocation": {"type": "bucket"}}
"""Settings of a CA whose CRLs are uploaded to the pipeline's own bucket."""


def write_project(folder: "Path", configuration: Configuration) -> None:
    """Write `cdk.json` into `folder`, so that `cdk deploy` there deploys the stack to the local cloud."""
    folder.mkdir(exist_ok=True)
    feature_flags = json.loads(files(__package__).joinpath(FEATURE_FLAGS).read_text())
    project = {
        "app": shlex.join([sys.executable, "-m", "iot_jitr_cli.lab.app"]),
        "output": "cdk.out",
        # The local cloud does not have AWS IoT's own log and its API.
        "context": {"jitr": {**configuration, "account_logging": "none"}, **feature_flags},
    }
    (folder / "cdk.json").write_text(json.dumps(project, indent=2) + "\n")
