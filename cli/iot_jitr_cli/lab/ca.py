"""The CA that a lab registers: the caller's, or a development CA made for the lab."""

from dataclasses import dataclass, field
from pathlib import Path

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.authority import CERTIFICATE_FILE, DevelopmentCa
from iot_jitr_cli.pki.keys import key_pem

DEVELOPMENT_CA_NAME = "iot-jitr lab CA"


@dataclass(frozen=True)
class LabCa:
    """The CA, and the path of its certificate."""

    certificate_file: Path
    authority: DevelopmentCa = field(repr=False)

    @property
    def key_pem(self) -> str:
        """The private key, for the local cloud's Secrets Manager and nothing else."""
        return key_pem(self.authority.key).decode()


def callers_ca(certificate_file: Path | None, key_file: Path | None) -> LabCa | None:
    """The caller's CA, `None` if neither of its files was named.

    Raises:
        WrongUseError: One of the two is missing, or they cannot be used.
    """
    if certificate_file is None and key_file is None:
        return None
    if certificate_file is None or key_file is None:
        raise WrongUseError(
            "a CA of your own takes both --ca-cert and --ca-key: its key signs the verification certificate "
            "that AWS IoT asks for (leave both out for a new development CA)"
        )
    return LabCa(certificate_file, DevelopmentCa.from_files(certificate_file, key_file))


def development_ca(folder: Path) -> LabCa:
    """The development CA in `folder`, made if there is none."""
    if not (folder / CERTIFICATE_FILE).is_file():
        DevelopmentCa.create(DEVELOPMENT_CA_NAME).save(folder)
    return LabCa(folder / CERTIFICATE_FILE, DevelopmentCa.load(folder))
