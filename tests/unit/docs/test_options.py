"""Every public option says what it may be, and which page of AWS or section of an RFC defines it."""

import re
from enum import Enum

import iot_jitr
from tools.construct_page import Option, options, sources
from tools.source_links import linked, source_of

REQUIRED = {
    "AdmissionFunction.function",
    "CaConfiguration.name",
    "CaConfiguration.revocation",
    "ConnectGuard.on_unknown",
    "CaConfiguration.from_file.name",
    "CaConfiguration.from_file.path",
    "CaConfiguration.from_file.revocation",
    "CrlUrl.url",
    "CustomDomain.certificate",
    "CustomDomain.name",
    "DeploymentOutputs.pipeline",
    "ExistingDomain.name",
    "DevicePolicy.from_document.document",
    "DevicePolicy.from_file.path",
    "FunctionNetwork.vpc",
    "JitrConfiguration.cas",
    "JitrConfiguration.parse.context",
    "JitrConfiguration.parse.folder",
    "ExportedOutputs.export_prefix",
    "JitrPipeline.cas",
    "JitrPipeline.construct_id",
    "JitrPipeline.scope",
    "JitrStack.configuration",
    "JitrStack.construct_id",
    "JitrStack.scope",
    "KmsSigner.key_arn",
    "PresignedSigner.verification_certificate_pem",
    "PrivateCaSigner.certificate_authority_arn",
    "SecretSigner.secret_id",
}
"""No default is possible for these."""

OF_EVERY_CONSTRUCT = {
    f"{each}.{name}" for each in ("JitrPipeline", "JitrStack") for name in ("construct_id", "scope")
}
OUR_OWN = {
    "AdmissionFunction.timeout": "how long the activator is willing to wait",
    "AlarmSettings.blocked": "counts our outcomes",
    "AlarmSettings.refused": "counts our outcomes",
    "AlarmSettings.runbook_url": "a page of ours",
    "CaConfiguration.name": "a name in the construct tree",
    "ConnectGuard.refresh": "how the connect guard reads the index",
    "CaConfiguration.from_file.name": "a name in the construct tree",
    "JitrConfiguration.parse.folder": "a folder",
    "RevocationSettings.mass_revocation_limit_minimum": "our mass-revocation limit",
    "RevocationSettings.mass_revocation_limit_percent": "our mass-revocation limit",
    "RevocationSettings.dry_run": "what our sweep does",
    "RevocationSettings.every": "what our publisher does",
    "RevocationSettings.refresh": "how our workers read the index",
    "ThingRegistration.grace_period": "what we do after a renewal",
}
"""Options that neither AWS nor an RFC defines, each with what it is instead."""
OUR_OWN_ENUMERATIONS = {
    "AlarmName": "what we watch",
    "CaFault": "what we find wrong with a CA certificate",
    "Metric": "what we measure",
    "OnExisting": "whether we adopt what we find",
    "OnUnknown": "what our connect guard does",
    "Outcome": "what we decide",
    "Reason": "why we decide so",
    "Renewal": "what we take a second certificate for",
}


def test_every_other_option_has_a_default() -> None:
    assert {name for name, option in options().items() if option.default is None} == REQUIRED


def test_every_option_links_its_source_unless_it_is_our_own() -> None:
    """One that takes a class of ours leaves that to the class."""
    without = {
        name for name, option in options().items() if source_of(option.text) is None and not option.takes
    }

    assert without == OF_EVERY_CONSTRUCT | set(OUR_OWN)


def test_every_enumeration_links_its_source_unless_it_is_our_own() -> None:
    enumerations = [
        each
        for name in iot_jitr.__all__
        if isinstance(each := getattr(iot_jitr, name), type) and issubclass(each, Enum)
    ]
    known = sources()

    without = {
        each.__name__
        for each in enumerations
        if each.__name__ not in known
        and not all(f"{each.__name__}.{member.name}" in known for member in each)
    }

    assert without == set(OUR_OWN_ENUMERATIONS)


def is_a_number(option: Option) -> bool:
    return re.search(r"\b(int|timedelta|_Count|_Time)\b", option.annotation) is not None


def says_its_range(option: Option) -> bool:
    """The class may say it for all of its options."""
    of_all = getattr(iot_jitr, option.where.partition(".")[0]).__doc__
    return re.search(r"(\d|`every`)(\s+\w+)?\s+to\s+(a\s|\d)", f"{of_all} {option.text}") is not None


def test_every_number_and_time_has_its_range() -> None:
    numbers = [option for option in options().values() if is_a_number(option)]

    assert len(numbers) > 20
    assert [option.where for option in numbers if not says_its_range(option)] == []


def test_the_address_at_the_end_and_other_pages_become_links() -> None:
    rfc = "https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"
    aws = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html"

    assert linked(f"Time.\n    {rfc}") == f"Time. [RFC 5280, 5.1.2.5]({rfc})"
    assert linked(f"Rate. {aws}") == f"Rate. [AWS]({aws})"
    assert linked("See `docs/ca.md`.") == "See [ca.md](ca.md)."
    assert linked("https://example.com/ says so") == "https://example.com/ says so"
