"""A public argument of a wrong kind raises an error of this package, not AttributeError or TypeError."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

import iot_jitr
from iot_jitr import (
    AllowList,
    CaConfiguration,
    CrlBucket,
    ExportedOutputs,
    JitrConfiguration,
    JitrError,
    JitrPipeline,
    KmsSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from tests.support.ca_certificates import FACTORY
from tests.support.options import minimal
from tests.support.stacks import FACTORY_CA, PARTS, app_without_bundling

MAKERS_OF_KEYS = {"KmsEcKey", "KmsRsaKey"}
"""They take a client of the AWS SDK and follow `cryptography`."""
SIGNERS = (SecretSigner, KmsSigner, PrivateCaSigner, PresignedSigner)
"""Plain data, checked by the CA that takes them."""
GIVEN: dict[str, Any] = {
    "CaConfiguration.from_file": {"path": "none.pem", "name": "Factory", "revocation": "none"},
    "DevicePolicy.from_document": {"document": {}},
    "DevicePolicy.from_file": {"path": "none.json"},
    "ExportedOutputs": {"export_prefix": "fleet"},
    "JitrConfiguration.parse": {"context": {}, "folder": Path()},
    "JitrPipeline.metric": {"metric": "Activated"},
    "JitrPipeline.alarm": {"name": "Refused"},
}
"""Values for the other arguments of a call."""


@pytest.fixture(scope="module")
def pipeline() -> Iterator[JitrPipeline]:
    with app_without_bundling() as app:
        ca = CaConfiguration(
            name="Factory", revocation=CrlBucket(), certificate=FACTORY, signer=SecretSigner("ca-key")
        )
        yield JitrPipeline(cdk.Stack(app, "Fleet"), "Jitr", cas=[ca], admission=AllowList())


def wrong(scope: Any) -> dict[str, Any]:
    """One value of each kind that a user may easily confuse with another kind."""
    return {
        "None": None,
        "int": 7,
        "str": "",
        "dict": {"nonsense": 1},
        "Path": Path("nonsense"),
        "construct": scope,
        "list": [7],
    }


def parameters(function: Any) -> Iterator[str]:
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            for options in get_args(inspect.unwrap(function).__annotations__[name]):
                yield from get_type_hints(options)
        elif name not in {"self", "cls", "__dataclass_self__"}:
            yield name


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(kind, callable):
        if not name.startswith("_") and getattr(member, "__module__", "").startswith("iot_jitr"):
            yield name, member


def calls() -> Iterator[tuple[str, str]]:
    """Each public argument: the callable, and the name of the argument."""
    for name in sorted(set(iot_jitr.__all__) - MAKERS_OF_KEYS):
        kind = getattr(iot_jitr, name)
        if issubclass(kind, BaseException | str) or kind in SIGNERS or name == "IJitrPipeline":
            continue
        yield from ((name, argument) for argument in parameters(kind.__init__))
        for method, member in methods(kind):
            yield from ((f"{name}.{method}", argument) for argument in parameters(member))


def target(
    name: str, pipeline: JitrPipeline, scope: cdk.Stack
) -> tuple[Callable[..., object], dict[str, Any]]:
    """The callable, and valid arguments for it."""
    owner, _, method = name.partition(".")
    kind = getattr(iot_jitr, owner)
    given = dict(GIVEN.get(name, minimal(name)))
    if method == "" or inspect.ismethod(getattr(kind, method)):
        called = getattr(kind, method) if method else kind
    else:
        made: Any = pipeline if owner == "JitrPipeline" else kind(**GIVEN.get(owner, minimal(owner)))
        called = getattr(made, method)
    taken = [*parameters(called if method else kind.__init__)]
    usual = {
        "scope": scope,
        "construct_id": "Made",
        "cas": [FACTORY_CA],
        "configuration": JitrConfiguration([FACTORY_CA]),
        "outputs": ExportedOutputs("fleet"),
        "pipeline": pipeline,
        "grantee": iam.Role.from_role_name(scope, "Theirs", "theirs"),
        **PARTS,
    }
    if "ca" in taken and method.startswith(("metric_", "grant_")):
        given["ca"] = "Factory"
    return called, {**{each: usual[each] for each in taken if each in usual}, **given}


@pytest.mark.parametrize(("name", "argument"), [*calls()])
def test_an_argument_of_a_wrong_kind_is_refused_by_its_name(
    name: str, argument: str, pipeline: JitrPipeline
) -> None:
    errors = []
    with app_without_bundling() as app:
        for kind, value in wrong(cdk.Stack(app, "Wrong")).items():
            scope = cdk.Stack(app, f"Scope{kind}")
            called, arguments = target(name, pipeline, scope)
            try:
                called(**{**arguments, argument: value})
            except JitrError as error:
                errors.append(error)
    named = [each for each in errors if getattr(each, "key", "").startswith(f"{name}.{argument}")]
    assert [error for error in errors if "\n" in str(error)] == []
    # An option takes one of the seven kinds at most; the others are refused by its name.
    assert "." in name or len(named) >= 6


@pytest.mark.parametrize("kind", SIGNERS, ids=lambda kind: kind.__name__)
def test_a_signer_with_a_value_of_a_wrong_kind_is_refused_by_its_ca(kind: Any) -> None:
    for value in wrong(cdk.Stack()).values():
        (first, *_) = inspect.signature(kind).parameters
        signer = kind(**{first: value})
        with pytest.raises(JitrError, match=r"^CaConfiguration\.signer\."):
            CaConfiguration(name="Factory", revocation="none", certificate=FACTORY, signer=signer)
