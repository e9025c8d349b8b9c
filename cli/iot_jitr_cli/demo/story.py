"""The story: a cloud, a CA, a stack, devices that get in or stay out, one that is put out, a clean stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from iot_jitr_cli.connect import Endpoint
from iot_jitr_cli.demo.arrivals import Arrivals
from iot_jitr_cli.demo.crl import CaCrl
from iot_jitr_cli.demo.listed import Listed
from iot_jitr_cli.demo.outsiders import Outsiders
from iot_jitr_cli.demo.put_out import PutOut
from iot_jitr_cli.demo.records import Records
from iot_jitr_cli.lab.ca import LabCa, development_ca
from iot_jitr_cli.lab.deploy_progress import DeployProgress
from iot_jitr_cli.lab.lab import MQTT_HOST, Lab
from iot_jitr_cli.lab.process import this_process
from iot_jitr_cli.lab.project import CA_KEY_SECRET, configuration_with_crl
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.revocation_list import RevocationList
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ID, CRL_LOCATION, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iot_jitr_cli.demo.narrator import Narrator
    from iot_jitr_cli.lab.files import Deployment
    from iot_jitr_cli.pki.device import DeviceIdentity


def tell(folder: Path, count: int, narrator: "Narrator") -> None:
    """Play it all with `count` devices, in `folder`, which is removed unless something went wrong.

    The last of them is on the CRL from the beginning, the first is put on it at the end.

    Whatever happens, the local cloud is stopped at the end.

    Raises:
        JitrError: The local cloud or the stack did not come up.
    """
    began = time.monotonic()
    with _cloud(folder, narrator) as lab:
        ca, deployment = _prepare(lab, narrator)
        identities = _manufacture(ca, count, narrator)
        _play(lab, ca, deployment, identities, narrator)
    narrator.stage.seconds = time.monotonic() - began


@contextmanager
def _cloud(folder: Path, narrator: "Narrator") -> Iterator[Lab]:
    lab = None
    try:
        # It has to be stopped from the moment it runs: who is told of it may press Ctrl-C at once.
        with narrator.step("local cloud") as step:
            lab = Lab.start(folder, owner=this_process())
            step.detail = f"MiniStack at {lab.endpoint.url}, IAM enforced"
        with lab.needed():
            yield lab
    except Exception:
        # Somebody will want to read why.
        if lab is not None:
            lab.stop_and_keep_logs()
        raise
    except BaseException:
        if lab is not None:
            lab.stop()
        raise
    with narrator.clearing("taken down") as step:
        if all(expectation.met for expectation in narrator.stage.expectations):
            lab.stop()
            step.detail = "processes ended, files removed"
        else:
            lab.stop_and_keep_logs()
            step.detail = f"processes ended; logs in {lab.files.folder}"


def _prepare(lab: Lab, narrator: "Narrator") -> "tuple[LabCa, Deployment]":
    with narrator.step("CA made") as step:
        ca = development_ca(lab.files.ca)
        lab.put_secret(CA_KEY_SECRET, ca.key_pem)
        step.detail = f"{ca.authority.certificate.subject}, its key in Secrets Manager"
    with narrator.step("stack deployed") as step:
        progress = DeployProgress()

        def tell(line: str) -> None:
            progress.read(line)
            step.detail = str(progress)

        deployment = lab.deploy(configuration_with_crl(ca.certificate_file), tell)
        step.detail = f"by 'cdk deploy': {progress.resources} resources"
    return ca, deployment


def _manufacture(ca: LabCa, count: int, narrator: "Narrator") -> "list[DeviceIdentity]":
    with narrator.step(f"{count} devices manufactured") as step:
        identities = [ca.authority.issue(DeviceSpec(f"sensor-{number:02}")) for number in range(1, count + 1)]
        step.detail = "each with a key and a certificate signed by the CA; AWS knows none of them"
    return identities


def _crl(lab: Lab, ca: LabCa, deployment: "Deployment") -> CaCrl:
    outputs, s3 = deployment.outputs, lab.client("s3")
    return CaCrl(
        RevocationList(ca.authority),
        s3,
        _of_ca(outputs, CRL_LOCATION),
        IndexStore(s3, outputs[Output.REVOCATION_BUCKET]),
        CaCertificateId(_of_ca(outputs, CA_CERTIFICATE_ID)),
    )


def _publish(crl: CaCrl, listed: "DeviceIdentity", narrator: "Narrator") -> None:
    with narrator.step("CRL published") as step:
        step.detail = (
            f"{listed.certificate.common_names[0]} is on it; uploaded to S3, compiled by the publisher"
        )
        crl.revoke(listed, x509.ReasonFlags.cessation_of_operation)
        crl.upload()
        crl.wait_until_in_force()


def _play(
    lab: Lab,
    ca: LabCa,
    deployment: "Deployment",
    identities: "Sequence[DeviceIdentity]",
    narrator: "Narrator",
) -> None:
    iot, outputs, stage = lab.client("iot"), deployment.outputs, narrator.stage
    ca_certificate_id = _of_ca(outputs, CA_CERTIFICATE_ID)
    records = Records(iot, lab.client("dynamodb"), ca_certificate_id, outputs[Output.LEDGER_TABLE])
    endpoint = Endpoint(MQTT_HOST, lab.endpoint.mqtt_port, lab.files.broker_ca)
    crl = _crl(lab, ca, deployment)
    *welcome, unwelcome = identities
    _publish(crl, unwelcome, narrator)
    with Listed(narrator, endpoint, records, unwelcome) as listed:
        stage.expectations += Arrivals(narrator, endpoint, records).play(welcome)
        stage.expectations += listed.judged()
    outsiders = Outsiders(narrator, endpoint, records, ca.authority)
    stage.expectations += outsiders.play(iot, lab.client("sqs"), outputs[Output.ACTIVATION_QUEUE_URL])
    leaver, *others = welcome
    stage.expectations += PutOut(narrator, endpoint, records, crl).play(leaver, others)


def _of_ca(outputs: "Mapping[str, str]", ending: str) -> str:
    """An output of the only CA."""
    return next(value for name, value in outputs.items() if name.endswith(ending))
