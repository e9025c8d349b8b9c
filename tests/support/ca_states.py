"""The simplest registration there is, and the states a CA can be in."""

from dataclasses import replace
from typing import Any

from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode
from iot_jitr_runtime.ca_registration.signers import NoSigner
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
