"""The engine beside another implementation of RFC 5280, over thousands of certificates and CRLs.

The engine and pyhanko-certvalidator share no code but the arithmetic of signatures. They agree on whether the
certificate is one that the CA issued for a device, and on its status by the CRLs, or the disagreement is in a
table with its reason. Any other disagreement fails.
"""

import asyncio
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.revocation import build, entries, verification
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.revocation.scope import Scope
from tests.support import pkix_validators
from tests.support.pkix_cases import Case
from tests.support.pkix_disagreements import CERTIFICATES, CRLS, Disagreement, Engine
from tests.support.pkix_validators import GOOD, UNDETERMINED, Verdict, by_pyhanko, by_the_engine

CHUNK = 200
CHUNKS = [
    number if number < 2 else pytest.param(number, marks=pytest.mark.exhaustive) for number in range(100)
]


def kind_of(ours: str, theirs: str) -> Engine:
    if ours != GOOD and theirs == GOOD and ours != UNDETERMINED:
        return Engine.DIFFERENT
    if ours == UNDETERMINED:
        return Engine.STRICTER
    return Engine.LAXER if theirs == UNDETERMINED else Engine.DIFFERENT


def explained(table: list[Disagreement], engine: Engine, case: Case, found: Collection[str]) -> bool:
    return any(
        each.engine is engine and not case.odd.isdisjoint(each.odd) and each.found in found for each in table
    )


def unexplained(case: Case, ours: Verdict, theirs: Verdict) -> list[str]:
    """Return the disagreements that no table explains."""
    disagreements = []
    if (ours.certificate == GOOD) != (theirs.certificate == GOOD):
        engine = Engine.LAXER if ours.certificate == GOOD else Engine.STRICTER
        if not explained(CERTIFICATES, engine, case, {ours.certificate}):
            disagreements.append(f"certificate: {ours.certificate} here, {theirs.certificate} there")
    # The CRLs of a CA do not cover a certificate that it did not issue.
    comparable = ours.certificate not in {"issuer_mismatch", "unparsable_certificate"}
    if comparable and ours.revocation and theirs.revocation and ours.revocation != theirs.revocation:
        engine = kind_of(ours.revocation, theirs.revocation)
        if not explained(CRLS, engine, case, ours.why):
            disagreements.append(
                f"CRLs: {ours.revocation} here, for {sorted(ours.why)}; "
                f"{theirs.revocation} there, for {sorted(theirs.why)}"
            )
    return [f"case {case.number}, {sorted(case.odd)}: {each}" for each in disagreements]


def disagreements(numbers: range, folder: Path) -> Iterator[str]:
    """Give the cases to both validators, one after the other."""
    with warnings.catch_warnings(), asyncio.Runner() as runner:
        warnings.simplefilter("ignore")  # serial numbers that are not positive
        for case in map(Case.make, numbers):
            yield from unexplained(case, by_the_engine(case, folder), runner.run(by_pyhanko(case)))


@pytest.mark.parametrize("chunk", CHUNKS)
def test_two_implementations_agree_or_a_table_has_the_disagreement(chunk: int, tmp_path: Path) -> None:
    assert list(disagreements(range(chunk * CHUNK, (chunk + 1) * CHUNK), tmp_path)) == []


def nothing(*_: Any, **__: Any) -> None:
    """A check that never fails."""


WRONG_ENGINES: dict[str, tuple[Any, str, Any]] = {
    "takes certificates of other CAs": (Certificate, "check_issued_by", nothing),
    "takes certificates at any time": (Certificate, "check_validity", nothing),
    "takes certificates for any use": (pkix_validators, "check_device_certificate", nothing),
    "takes CRLs that others have signed": (verification, "_check_signature", nothing),
    "takes CRLs of other issuers": (verification, "_check_issuer", nothing),
    "takes CRLs of CAs that may not sign them": (verification, "_check_crl_sign", nothing),
    "takes CRLs of any scope": (verification, "_check_scope", nothing),
    "takes CRLs with any extension": (verification, "_check_extensions", nothing),
    "takes CRLs at any time": (build, "check_time", nothing),
    "lets every partition cover every certificate": (Scope, "covers", lambda *_: True),
    "finds no certificate on a CRL": (Index, "_find", lambda *_: []),
    "has one reason": (entries, "_REASONS", dict.fromkeys(entries._REASONS, RevocationReason.SUPERSEDED)),
}


@pytest.mark.parametrize("wrong", WRONG_ENGINES)
def test_the_test_detects_a_wrong_engine(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*WRONG_ENGINES[wrong])

    assert next(disagreements(range(20 * CHUNK), tmp_path), None) is not None
