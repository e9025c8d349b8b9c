"""Device certificates with the CRLs of their CA: sound, or changed in a few fields.

Each case is made from a number and is the same at every run. Each change has a name; the set of
these names is the oddities of the case.
"""

from dataclasses import dataclass, field
from random import Random

from tests.support.pkix_certificate_changes import LEAF_CHANGES, Change, F
from tests.support.pkix_crl_changes import CRL_CHANGES, list_serial
from tests.support.pkix_der import CertificateFields
from tests.support.pkix_sound import Ca, cas, sound_crl, sound_leaf


@dataclass
class Case:
    """One input of the validators: is this a certificate of the CA's, and what is its status `NOW`?"""

    number: int
    ca: Ca
    certificate: bytes
    crls: list[bytes]
    odd: set[str] = field(default_factory=set)

    @classmethod
    def make(cls, number: int) -> "Case":
        draw = Random(number)
        kind = draw.choice(list(cas())) if draw.random() < 0.25 else ""
        ca = cas()[kind]
        odd = {kind} if kind else set()
        leaf = sound_leaf(ca, draw)
        _change(leaf, LEAF_CHANGES, draw, odd)
        crls = []
        for index in range(draw.choices((1, 2, 3, 0), (80, 14, 4, 2))[0]):
            crl = sound_crl(ca, draw, 10 + index)
            _change(crl, CRL_CHANGES, draw, odd)
            if draw.random() < 0.4:
                list_serial(crl, leaf.serial, draw, odd)
            crls.append(crl.der())
        if len(crls) > 1:
            odd.add("several CRLs")
        return cls(number, ca, leaf.der(), crls, odd)


def _change(fields: F, changes: "list[Change[F]]", draw: Random, odd: set[str]) -> None:
    for change in draw.sample(changes, draw.choices((0, 1, 2, 3), (25, 45, 20, 10))[0]):
        if oddity := change(draw, fields):
            what = "certificate" if isinstance(fields, CertificateFields) else "CRL"
            odd.add(oddity if oddity.startswith("entry: ") else f"{what}: {oddity}")
