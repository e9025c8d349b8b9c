"""Which CA a lab registers."""

from pathlib import Path

import pytest

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.lab.ca import callers_ca, development_ca
from iot_jitr_cli.pki.authority import DevelopmentCa


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    return DevelopmentCa.create("own CA").save(tmp_path / "own")


def test_the_callers_ca_is_taken_with_its_key(own: tuple[Path, Path]) -> None:
    certificate_file, key_file = own

    ca = callers_ca(certificate_file, key_file)

    assert ca is not None
    assert ca.certificate_file == certificate_file
    assert ca.authority.certificate.common_names == ["own CA"]
    assert ca.key_pem == key_file.read_text()


def test_without_files_there_is_no_callers_ca() -> None:
    assert callers_ca(None, None) is None


def test_half_a_ca_is_refused_with_what_is_missing(own: tuple[Path, Path]) -> None:
    certificate_file, key_file = own

    for files in ((certificate_file, None), (None, key_file)):
        with pytest.raises(WrongUseError, match="both --ca-cert and --ca-key"):
            callers_ca(*files)


def test_the_key_of_another_ca_is_refused(own: tuple[Path, Path], tmp_path: Path) -> None:
    _, other_key = DevelopmentCa.create("other").save(tmp_path / "other")

    with pytest.raises(WrongUseError, match="not the private key"):
        callers_ca(own[0], other_key)


def test_a_development_ca_is_made_once_and_then_kept(tmp_path: Path) -> None:
    made = development_ca(tmp_path / "ca")
    again = development_ca(tmp_path / "ca")

    assert made.authority.certificate == again.authority.certificate
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_the_key_is_not_in_its_representation(tmp_path: Path) -> None:
    ca = development_ca(tmp_path / "ca")

    assert repr(ca) == f"LabCa(certificate_file={tmp_path / 'ca' / 'ca.pem'!r})"
