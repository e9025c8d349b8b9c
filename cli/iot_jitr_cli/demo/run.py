"""The demonstration from beginning to end: local cloud, CA, stack, the scenarios and the clean-up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from iot_jitr_cli.demo.deploy_progress import DeployProgress
from iot_jitr_cli.demo.model import Demo
from iot_jitr_cli.demo.pipeline import DemoPipeline
from iot_jitr_cli.demo.scenarios import Scenarios
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.project import CRL_IN_BUCKET, default_configuration
from iot_jitr_cli.lab.state import DeployedStack
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.revocation_list import RevocationList


def run_demo(folder: Path, count: int, demo: Demo, *, connect_guard: bool = False) -> None:
    """Run the demonstration with `count` devices in `folder`; the folder is removed unless an error occurs.

    The last device is on the CRL from the beginning; the first one is added to the CRL at the end. With a
    connect guard, all devices connect to the guarded domain. The local cloud is stopped in any case.

    Raises:
        JitrError: The local cloud or the stack did not start, or the local cloud ended.
    """
    began = time.monotonic()
    with _local_cloud(folder, demo) as lab:
        ca, deployed = _deploy(lab, demo, connect_guard=connect_guard)
        identities = _make_devices(ca, count, demo)
        _play(lab, ca, deployed, identities, demo)
    demo.seconds = time.monotonic() - began


@contextmanager
def _local_cloud(folder: Path, demo: Demo) -> Iterator[Lab]:
    lab = None
    try:
        # From here on the local cloud must be stopped, even if Ctrl-C is pressed at once.
        with demo.step("local cloud") as step:
            lab = Lab.start(folder)
            step.detail = f"MiniStack at {lab.ministack.url}, IAM enforced"
        with lab.needed():
            yield lab
    except BaseException as error:
        if lab is not None:
            # The logs contain the cause of an error, unless the cause is Ctrl-C.
            (lab.stop_and_keep_logs if isinstance(error, Exception) else lab.stop)()
        raise
    with demo.step("local cloud stopped", demo.clean_up) as step:
        met = all(expectation.met for expectation in demo.expectations)
        (lab.stop if met else lab.stop_and_keep_logs)()
        step.detail = f"processes ended; {'files removed' if met else f'logs in {lab.files.folder}'}"


def _deploy(lab: Lab, demo: Demo, *, connect_guard: bool) -> tuple[DevelopmentCa, DeployedStack]:
    with demo.step("CA made") as step:
        ca, certificate_file = lab.development_ca()
        lab.put_ca_key(ca)
        step.detail = f"{ca.certificate.subject}, its key in Secrets Manager"
    with demo.step("stack deployed") as step:
        deploying = DeployProgress()

        def on_line(line: str) -> None:
            deploying.read(line)
            step.detail = str(deploying)

        guard = {"connect_guard": {"on_unknown": "refuse"}} if connect_guard else {}
        configuration = {**default_configuration(certificate_file, CRL_IN_BUCKET), **guard}
        deployed = lab.deploy(configuration, on_line)
        step.detail = f"by 'cdk deploy': {deploying.resources} resources"
    return ca, deployed


def _make_devices(ca: DevelopmentCa, count: int, demo: Demo) -> list[DeviceIdentity]:
    with demo.step(f"{count} devices made") as step:
        identities = [ca.issue(DeviceSpec(f"sensor-{number:02}")) for number in range(1, count + 1)]
        step.detail = "each with a key and a certificate signed by the CA; AWS has none of them"
    return identities


def _play(
    lab: Lab, ca: DevelopmentCa, deployed: DeployedStack, identities: list[DeviceIdentity], demo: Demo
) -> None:
    [its_ca] = deployed.deployment.cas
    pipeline = DemoPipeline(
        lab.ministack.session, deployed.deployment, its_ca, revocations=RevocationList(ca)
    )
    *admitted, listed = identities
    with demo.step("CRL published") as step:
        name = listed.certificate.common_names[0]
        step.detail = f"{name} is on it; uploaded to S3, compiled by the publisher"
        replaced = pipeline.revoke(listed, x509.ReasonFlags.cessation_of_operation)
        pipeline.wait_for_index(replaced)
    scenarios = Scenarios(demo, lab.broker(lab.guarded_domain), pipeline, ca)
    scenarios.admit(admitted, listed)
    scenarios.refuse()
    revoked, *others = admitted
    scenarios.revoke(revoked, others)
