"""What the pipeline would decide now, by its own code: revocation and allow list."""

from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.facts.ca import CaFacts
from iot_jitr_cli.doctor.facts.device import DeviceFacts
from iot_jitr_cli.doctor.facts.fact import CannotTellError, fact
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.interfaces import DeviceCertificate
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.outcomes import ACTIVATED, DecisionError, Verdict
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3


class PresentFacts:
    """Facts about what the pipeline would decide now."""

    def __init__(
        self,
        session: "boto3.Session",
        device: DeviceFacts,
        ca: CaFacts,
        pipeline: PipelineFacts,
        function: FunctionFacts,
    ) -> None:
        self._session = session
        self._device = device
        self._ca = ca
        self._pipeline = pipeline
        self._function = function

    @fact("s3:GetObject")
    def revocation(self) -> Verdict | None:
        """What the CA's CRL says, None where the CA was declared to have none.

        Raises:
            CannotTellError: The index cannot be read, or the CA is unknown.
        """
        device = self._device_certificate()
        function = self._function.activator
        if function is None or device.ca_certificate_id not in function.cas_with_crl:
            return None
        bucket = function.environment.get(environment.REVOCATION_BUCKET, "")
        check = IndexedRevocation(IndexStore(self._session.client("s3"), bucket))
        try:
            check.check(device.ca_certificate_id, device.certificate)
        except DecisionError as decided:
            return decided.verdict
        return ACTIVATED

    @fact("dynamodb:GetItem")
    def admission(self) -> Verdict | None:
        """Whether the device is on the allow list, None where the deployment has none.

        Raises:
            CannotTellError: The list cannot be read, or the CA is unknown.
        """
        table = self._pipeline.deployment.get(Output.ALLOW_LIST_TABLE)
        if table is None:
            return None
        kind = KeyKind(self._pipeline.output(Output.ALLOW_LIST_KEY))
        try:
            AllowList(self._session.client("dynamodb"), table, kind).admit(self._device_certificate())
        except DecisionError as decided:
            return decided.verdict
        return ACTIVATED

    def _device_certificate(self) -> DeviceCertificate:
        certificate, ca = self._device.certificate, self._ca.issuer.ca
        if certificate is None or ca is None:
            raise CannotTellError("without the certificate and its CA, the decision of now is unknown")
        return DeviceCertificate(
            certificate_id=self._device.certificate_id,
            certificate_arn=self._device.registered.arn if self._device.registered else "",
            ca_certificate_id=ca.ca_id,
            certificate=certificate,
        )
