"""A development PKI: a CA, its device certificates, and their files.

It is for experiments, demonstrations and tests. The CA key of a real fleet must be in a KMS, an HSM or
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
