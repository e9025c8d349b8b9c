"""Looks for private key material wherever a deployment could have left it."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iot_jitr_cli.lab.lab import Lab

MARKERS = ("PRIVATE KEY-----",)


def needles(keys: Iterable[Any], passphrases: Iterable[str] = ()) -> set[str]:
    """Texts to search for: the PEM's own header, and each key in the forms that it could be written in."""
    return {*MARKERS, *passphrases, *(form for key in keys for form in _forms(key))}


def _forms(key: Any) -> Iterator[str]:
    numbers = key.private_numbers()
    secrets = [numbers.private_value] if isinstance(key, ec.EllipticCurvePrivateKey) else []
    if isinstance(key, rsa.RSAPrivateKey):
        secrets = [numbers.d, numbers.p, numbers.q]
    for secret in secrets:
        raw = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
        yield str(secret)
        yield f"{secret:x}"
        yield base64.b64encode(raw).decode().rstrip("=")
    for shape in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()
        yield from (line for line in pem.splitlines() if len(line) == 64)


def traces(lab: Lab) -> Iterator[tuple[str, str]]:
    """Everything in a deployment that others can read: its place, and the text."""
    for path in _files(lab):
        yield str(path), path.read_text(errors="replace")
    clouds = lab.client("cloudformation")
    for stack in clouds.describe_stacks()["Stacks"]:
        name = stack["StackName"]
        yield f"stack {name}", _text(stack)
        yield f"template of {name}", _text(clouds.get_template(StackName=name)["TemplateBody"])
        for page in clouds.get_paginator("describe_stack_events").paginate(StackName=name):
            yield f"events of {name}", _text(page["StackEvents"])
    logs = lab.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            yield f"log group {group['logGroupName']}", _text(page["events"])
    functions = lab.client("lambda").list_functions()["Functions"]
    yield "function configurations", _text(functions)
    iot = lab.client("iot")
    for ca in iot.list_ca_certificates()["certificates"]:
        yield (
            f"tags of {ca['certificateId']}",
            _text(iot.list_tags_for_resource(resourceArn=ca["certificateArn"])),
        )


def _files(lab: Lab) -> Iterator[Path]:
    """The synthesized app, and the logs of the local cloud and of the CDK command line."""
    yield from (lab.files.ministack_log, lab.files.cdk_log, lab.files.requests)
    for path in sorted(lab.files.project.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".txt", ""}:
            yield path


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
