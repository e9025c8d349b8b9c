"""Who signs the verification certificate: one small class for each way to hold a CA's key."""

from collections.abc import Callable
from typing import Any

from iot_jitr_runtime.ca_registration.signers.base import Signer
from iot_jitr_runtime.ca_registration.signers.secret import SecretSigner
from iot_jitr_runtime.ca_registration.sources import SecretSource, Source


def signer_for(source: Source, client: Callable[[str], Any]) -> Signer:
    """The signer for `source`; `client` makes the boto3 client of a service."""
    match source:
        case SecretSource(secret_id=secret_id):
            return SecretSigner(client("secretsmanager"), secret_id)
    raise NotImplementedError
