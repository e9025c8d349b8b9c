"""A development PKI: a CA, the device certificates it signs, and the files they live in.

For trying things out, demonstrations and tests. A real fleet's CA key lives in a KMS, an HSM or with
AWS Private CA, and never in a directory.

>>> ca = DevelopmentCa.create("Example CA")
>>> ca.issue(DeviceSpec("sensor-1")).certificate.common_names
['sensor-1']
"""

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.extensions import crl_distribution_points
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.validity import Validity

__all__ = [
    "DevelopmentCa",
    "DeviceIdentity",
    "DeviceSpec",
    "KeyKind",
    "Validity",
    "crl_distribution_points",
]
