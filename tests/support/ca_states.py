"""The simplest registration there is, and the states a CA can be in."""

from dataclasses import replace
from typing import Any

from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode
from iot_jitr_runtime.ca_registration.signers import NoSigner, Signer
from iot_jitr_runtime.ca_registration.verification import signature_hash
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec

ON = ("ACTIVE", "ENABLE")
DISABLED = ("ACTIVE", "DISABLE")
OFF = ("INACTIVE", "DISABLE")
CA = CaSpec().build()
NEXT_CA = CaSpec("Next CA").build()


def sni_only(**changes: Any) -> CaProperties:
    """A CA for which nothing signs."""
    properties = CaProperties(CA.pem, NoSigner(), Mode.SNI_ONLY, tags={"team": "iot"})
    return replace(properties, **changes)


def properties(ca: Certificate | None, signer: Signer, mode: Mode = Mode.DEFAULT) -> CaProperties:
    """A CA with this signer; None: the signer's own CA certificate."""
    return CaProperties(ca and ca.pem, signer, mode)


def ca_of(key: Any) -> Certificate:
    """A CA certificate of this key."""
    return CaSpec(key=key, hash=signature_hash(key)).build()
