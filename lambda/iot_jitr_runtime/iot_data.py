"""The client of the AWS IoT data plane; it has `DeleteConnection` with every version of botocore.

botocore has the call since version 1.40.6, and AWS no longer publishes the version in its Python runtime. So
`service_models` contains the call in the format in which botocore's loader extends a service model. If
botocore has the call already, nothing is added.
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
"""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session

from iot_jitr_runtime.aws_errors import CLIENT_CONFIG

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient

SERVICE_MODELS = Path(__file__).parent / "service_models"


def iot_data_client() -> "IoTDataPlaneClient":
    """Return a client that has `delete_connection`."""
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths.append(str(SERVICE_MODELS))
    return boto3.Session(botocore_session=session).client("iot-data", config=CLIENT_CONFIG)
