"""Steps about the revocation: the device's certificate, its open session and its next connects."""

from iot_jitr_cli.connect import Step as Point
from iot_jitr_cli.console import CliError
from iot_jitr_cli.verify.crl import publish_with_one_more
from iot_jitr_cli.verify.device import AttemptResult
from iot_jitr_cli.verify.run import CheckFailedError, SkippedError, Verification
from iot_jitr_runtime.stack_outputs import Output


def revoke(v: Verification) -> str:
    """Publish the CRL in force with the device added, and wait until its certificate is revoked."""
    location, signer = v.pipeline.crl_location, v.device.signer
    if location is None:
        raise SkippedError("this CA has no CRL here")
    if not location.startswith("s3://"):
        raise SkippedError(f"the CRL comes from {location}, where only the CA can write")
    if signer is None:
        raise SkippedError("the CA's key is needed (--ca-cert and --ca-key)")
    if not v.publish_crl:
        raise SkippedError("it would change the CA's CRL: --publish-crl allows that")
    certificate, s3 = v.device.certificate.x509, v.pipeline.session.client("s3")
    bucket = v.pipeline.deployment[Output.REVOCATION_BUCKET]
    if v.pipeline.deployment.get(Output.SESSION_CLIENT_ID) is not None:
        v.session = v.device.stay_connected()
        if v.session is not None:
            v.cleanup.add("open session", "it ends with this process", v.session.close)
    ca = v.pipeline.ca
    former, signed = publish_with_one_more(s3, bucket, ca.certificate_id, signer, certificate)
    number = signed.number
    v.report.notes.append(
        f"CRL number {number} of CA {ca.name} is number {former.number} with one entry more, "
        f"serial {v.device.certificate.serial_number}; it stays in force until the CA publishes its next"
    )
    began = v.pipeline.clock()
    if not v.pipeline.wait_until(lambda: v.status() == "REVOKED"):
        raise CheckFailedError(
            f"the certificate is {v.status()} {v.pipeline.timeout:.0f} s after CRL number {number} was "
            "published (with revocation.dry_run nothing is revoked)"
        )
    return f"REVOKED {v.pipeline.clock() - began:.1f} s after CRL number {number} was published"


def session_closed(v: Verification) -> str:
    """Wait until the session that was open at the time of the revocation is closed."""
    if v.pipeline.deployment.get(Output.SESSION_CLIENT_ID) is None:
        raise SkippedError("the sweep closes no sessions here (revocation.close_sessions)")
    _check_revoked(v)
    if v.session is None:
        raise CliError("the device could not stay connected before its revocation")
    if not v.pipeline.wait_until(v.session.is_closed):
        raise CheckFailedError(
            f"it is still open {v.pipeline.timeout:.0f} s after the revocation; see the sweep's log"
        )
    return "closed by the sweep"


def revoked_is_refused(v: Verification) -> str:
    """Connect with the revoked certificate until it is refused; all brokers need some time for the status."""
    _check_revoked(v)
    refused, last, count = v.connect_until(lambda tried: Point.CONNECTED not in tried.steps)
    if not refused:
        raise CheckFailedError(f"it is still accepted after {v.pipeline.timeout:.0f} s")
    # A network failure is not a refusal.
    _ = last.refusal
    return f"refused, try {count}"


def guard_refuses(v: Verification) -> str:
    """Connect until the connect guard's log contains a refusal of the device."""
    log_group = v.pipeline.deployment.get(Output.CONNECT_GUARD_LOG_GROUP)
    if log_group is None:
        raise SkippedError("the pipeline has no connect guard")
    _check_revoked(v)
    logs = v.pipeline.session.client("logs").get_paginator("filter_log_events")

    def is_logged(_tried: AttemptResult) -> bool:
        # A page may be empty although a later one is not.
        pages = logs.paginate(logGroupName=log_group, filterPattern=f'"{v.device.certificate_id}"')
        return any('"connect_refused"' in event["message"] for page in pages for event in page["events"])

    refused, _, count = v.connect_until(is_logged)
    if not refused:
        raise CheckFailedError(
            f"its log has no refusal of it after {v.pipeline.timeout:.0f} s: connect to the guarded domain "
            "(--endpoint), and check that its domain configuration names the callback of the output "
            f"{Output.CONNECT_GUARD_CALLBACK_ARN}"
        )
    return f"invoked at the handshake, and refused, try {count}"


def _check_revoked(v: Verification) -> None:
    if v.status() != "REVOKED":
        raise SkippedError("the device was not revoked")
