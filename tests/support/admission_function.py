"""An admission function in the local cloud that decides by the beginning of the common name."""

import io
import json
import zipfile
from typing import Any

SOURCE = """
import time

def handle(event, context):
    name = event["commonNames"][0]
    if name.startswith("refuse"):
        return {"decision": "refuse", "reason": "nobody ordered " + name}
    if name.startswith("error"):
        raise RuntimeError("the stock database is down")
    if name.startswith("slow"):
        time.sleep(6)
    return {"decision": "admit", "thingAttributes": {"certificate": event["certificateId"]}}
"""


def create_admission_function(client: Any, name: str, source: str = SOURCE) -> str:
    """Create it, or a function with another `source`, with a client maker such as `Lab.client`.

    Returns its ARN.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("index.py", source)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    function = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handle",
        Role=role,
        Timeout=10,
        Code={"ZipFile": archive.getvalue()},
    )
    return str(function["FunctionArn"])
