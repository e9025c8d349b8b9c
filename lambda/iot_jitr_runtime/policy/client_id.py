"""The MQTT client id of a certificate: the id with which the device policy allows it to connect.

The stack derives this id from the device policy (`iot_jitr_policy.client_id`) and passes to the functions a
template with the placeholders of per-device policies, for example `{{common_name}}`.
"""

from iot_jitr_runtime.ledger.rows import Row
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder
from iot_jitr_runtime.policy.common_name import is_safe
from iot_jitr_runtime.things.patterns import REGISTRY_NAME

LONGEST_CLIENT_ID = 128
"""Characters (AWS IoT Core quotas, "Client ID size")."""


def client_id(template: str, row: Row) -> str | None:
    """Return the client id of the certificate in a row of the ledger, None if the row lacks a part of it.

    Also None for a value that AWS IoT or this pipeline does not insert into a policy: the certificate cannot
    connect with it.

    >>> from iot_jitr_runtime.identifiers import CertificateId
    >>> client_id("{{common_name}}", Row(CertificateId("c1"), common_name="device-1"))
    'device-1'
    """
    values = {
        Placeholder.COMMON_NAME: row.common_name if row.common_name and is_safe(row.common_name) else None,
        Placeholder.SERIAL_NUMBER: row.serial_number,
        Placeholder.THING_NAME: (
            row.thing_name if row.thing_name and REGISTRY_NAME.fullmatch(row.thing_name) else None
        ),
    }
    names = [Placeholder(name) for name in PLACEHOLDER.findall(template)]
    if not all(values[name] for name in names):
        return None
    found = PLACEHOLDER.sub(lambda match: values[Placeholder(match[1])] or "", template)
    return found if len(found) <= LONGEST_CLIENT_ID and not found.startswith("$") else None
