"""The option classes of a stack with the required options of each, in Python and in `cdk.json`."""

from types import SimpleNamespace
from typing import Any

import iot_jitr
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import EXPECTED, SERVER

CA = {
    "name": "Factory",
    "certificate": FACTORY,
    "signer": {"type": "secret", "secret": "factory-ca-key"},
    "revocation": "none",
}
PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "AdmissionFunction": ("admission", {"type": "function", "function": EXPECTED}),
    "AlarmSettings": ("alarms", {}),
    "AllowList": ("admission", {"type": "allow_list"}),
    "CaConfiguration": ("cas[0]", CA),
    "ConnectGuard": ("connect_guard", {"on_unknown": "admit"}),
    "CrlBucket": ("cas[0].revocation", {"type": "bucket"}),
    "CrlUrl": ("cas[0].revocation", {"type": "url", "url": "https://crl.example/ca.crl"}),
    "CustomDomain": (
        "connect_guard.domain",
        {"type": "custom", "name": "iot.example.com", "certificate": SERVER},
    ),
    "DevicePolicy": ("policy", {}),
    "ExistingDomain": ("connect_guard.domain", {"type": "existing", "name": "devices"}),
    "JitrConfiguration": ("", {"cas": [CA]}),
    "OutcomeEvents": ("outcome_events", {}),
    "ReconcilerSettings": ("reconciler", {}),
    "RevocationSettings": ("revocation", {}),
    "ThingRegistration": ("things", {}),
}
"""Where `cdk.json` has each option class, and the options that it must have."""
TYPES = {(kind, "type") for kind in PLACES if kind != "ThingRegistration"}
"""Only `cdk.json` has a key that names the class."""


def minimal(kind: str) -> dict[str, Any]:
    """The required options of a class in Python."""
    if kind == "FunctionNetwork":
        return {"vpc": SimpleNamespace(vpc_id="vpc-1")}
    given = PLACES.get(kind, ("", {}))[1]
    return {name: each for name, each in given.items() if (kind, name) not in TYPES}


def made(kind: str, /, **values: Any) -> object:
    """An option class in Python with the required options and `values`; `...` leaves an option out."""
    given = {**minimal(kind), **values}
    return getattr(iot_jitr, kind)(**{name: each for name, each in given.items() if each is not ...})


def context(kind: str, /, **values: Any) -> dict[str, Any]:
    """The context `jitr` with an option class; `...` leaves an option out."""
    path, minimal = PLACES[kind]
    given: Any = {name: each for name, each in {**minimal, **values}.items() if each is not ...}
    match path.split("."):
        case [""]:
            return dict(given)
        case ["cas[0]"]:
            return {"cas": [given]}
        case ["cas[0]", key]:
            return {"cas": [{**CA, key: given}]}
        case ["connect_guard", key]:
            given = {"on_unknown": "admit", key: given}
    return {"cas": [CA], path.partition(".")[0]: given}
