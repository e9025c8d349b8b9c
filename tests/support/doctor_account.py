"""The AWS account of one device for `jitr doctor` and `jitr status`: no problem unless `but` sets one."""

import hashlib
import io
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.response import StreamingBody

from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.outcomes import Outcome, Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.command_line import CommandResult, run_jitr
from tests.support.crls import CrlSpec
from tests.support.doctor_result import DoctorResult
from tests.support.indexes import compile_index
from tests.support.sdk_session import GONE, REGION, Refusal, Session

NOW = datetime.now(UTC).replace(microsecond=0)
CA_ID = CaCertificateId("ca" * 32)
ACCOUNT = "123456789012"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/activation"
DEAD_LETTER_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dead-letters"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/stack-rules"
RULE = "stack_rule"
POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect",
"Resource": "arn:aws:iot:eu-central-1:123456789012:client/${iot:Certificate.Subject.CommonName}"}]}"""
OUTPUTS: dict[str, str] = {
    "FactoryCaCertificateId": CA_ID,
    "FactoryRule": RULE,
    Output.ACTIVATION_QUEUE_URL: QUEUE_URL,
    Output.DEAD_LETTER_QUEUE_URL: DEAD_LETTER_URL,
    Output.LEDGER_TABLE: "ledger",
    Output.ACTIVATOR_FUNCTION: "activator",
    Output.ACTIVATOR_LOG_GROUP: "/log/activator",
    Output.ACTIVATOR_ROLE: "activator-role",
    Output.RULES_ROLE: "rules-role",
    Output.REVOCATION_BUCKET: "indexes",
    Output.METRICS_NAMESPACE: "IotJitr",
    Output.SERVICE_NAME: "stack/Jitr",
}
PENDING = "PENDING_ACTIVATION"


@cache
def ca() -> DevelopmentCa:
    return DevelopmentCa.create("Factory CA")


@cache
def other_ca() -> DevelopmentCa:
    return DevelopmentCa.create("Other CA")


@cache
def device() -> DeviceIdentity:
    return ca().issue(DeviceSpec("sensor-7"))


@dataclass
class DiagnosedDevice:
    """An active device, its files, and its account."""

    status: str | None = "ACTIVE"
    """None: AWS IoT has never seen it."""
    chain: str | None = field(default_factory=lambda: device().chain_pem)
    """Its chain file; None: only its id is given."""
    key: bytes | None = field(default_factory=lambda: key_pem(device().key))
    """Its key file, where it has one."""
    certificate: Certificate = field(default_factory=lambda: device().certificate)
    """What AWS IoT has; its id is given to the command where there is no chain file."""
    arguments: tuple[str, ...] = ()
    registered_at: datetime = NOW - timedelta(minutes=5)
    ca: dict[str, Any] | None = field(default_factory=dict)
    """What differs of the registered CA's description; None: no CA is registered."""
    ca_certificate: Certificate = field(default_factory=lambda: ca().certificate)
    outputs: dict[str, str | None] = field(default_factory=dict)
    """More outputs of the stack; None: it lacks that one."""
    environment: dict[str, str] = field(default_factory=dict)
    """More settings of the activator."""
    function: dict[str, Any] = field(default_factory=dict)
    """What differs of the activator's configuration."""
    waiting: int | None = 0
    """Messages of the activation queue; None: it does not exist."""
    dead_letters: list[dict[str, Any]] | None = field(default_factory=list)
    rule: dict[str, Any] | None = field(default_factory=dict)
    mapping: dict[str, Any] | None = field(default_factory=dict)
    trusts: str | None = "iot.amazonaws.com"
    """The service that the rule's role trusts; None: the role does not exist."""
    lacking: tuple[str, ...] = ()
    """Actions that the roles lack."""
    log: tuple[tuple[int, str], ...] = ()
    """Lines of the activator's log that mention a failure, with their times."""
    decided: int = 0
    """When the activator decided about a certificate last."""
    figures: dict[str, float] = field(default_factory=dict)
    """What CloudWatch has: by the name of a metric, or the reason that is its dimension."""
    alarms: list[dict[str, Any]] = field(default_factory=list)
    """The active alarms of all stacks."""
    quotas: dict[str, float] = field(default_factory=dict)
    fleet: list[dict[str, Any]] = field(default_factory=list)
    """The rows of the ledger, for commands that read all of them."""
    policies: dict[str, str] = field(default_factory=lambda: {"device-policy": POLICY})
    things: tuple[str, ...] = ()
    row: dict[str, Any] | None = field(default_factory=lambda: row())  # noqa: PLW0108  defined below
    session_task: dict[str, Any] | None = None
    """The ledger's item about the closing of its session."""
    devices: int = 0
    """The ledger's counter of the CA's devices."""
    listed: bool = True
    has_crl: bool = False
    """Whether the CA has a CRL by the configuration."""
    crl: CrlSpec | None = None
    """The CRL in the revocation index; None: there is no index."""
    responses: dict[str, Any] = field(default_factory=dict)
    """By IAM action: a response, a refusal, an error or a function of the parameters, before all above."""
    calls: list[str] = field(default_factory=list)
    """The calls that were made, in order."""

    def but(self, **changes: Any) -> "DiagnosedDevice":
        """The same with these changes."""
        return replace(self, calls=[], **changes)

    def responding(self, **responses: Any) -> "DiagnosedDevice":
        """The same with other responses: `iot_GetTopicRule=…`."""
        named = {name.replace("_", ":"): response for name, response in responses.items()}
        return self.but(responses={**self.responses, **named})

    @property
    def arn(self) -> str:
        return f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{self.certificate.fingerprint}"

    @property
    def session(self) -> Any:
        """The account as a boto3 session."""
        return Session(self._respond)

    @property
    def pipeline(self) -> Pipeline:
        """The deployment in the account."""
        return Pipeline(self.session, "stack", NOW)

    def jitr(self, command: str, *arguments: object) -> CommandResult:
        """Run a command in this account."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"iot_jitr_cli.{command}.command.aws_session", lambda: self.session)
            return run_jitr(command, *arguments)

    def run(self, *arguments: object) -> CommandResult:
        """Run `jitr doctor` about this device with more arguments."""
        with TemporaryDirectory() as folder:
            return self.jitr("doctor", *self._files(Path(folder)), *self.arguments, *arguments)

    def diagnose(self, *arguments: object) -> DoctorResult:
        """Run `jitr doctor --json` about this device."""
        return DoctorResult.of(self.run("--json", *arguments))

    def _files(self, folder: Path) -> list[object]:
        if self.chain is None:
            return ["--certificate-id", self.certificate.fingerprint]
        chain, key = folder / "chain.pem", folder / "device.key"
        chain.write_text(self.chain)
        if self.key is None:
            return [chain]
        key.write_bytes(self.key)
        return [chain, "--key", key]

    def _respond(self, action: str, parameters: dict[str, Any]) -> Any:
        self.calls.append(action)
        response = self.responses.get(action)
        if response is None:
            response = getattr(self, f"_{action.replace(':', '_').lower()}")
        return response(parameters) if callable(response) else response

    # the account

    def _sts_getcalleridentity(self, _: Any) -> Any:
        return {"Account": ACCOUNT, "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(NOW)}}}

    def _iot_describeendpoint(self, _: Any) -> Any:
        return {"endpointAddress": f"abc123-ats.iot.{REGION}.amazonaws.com"}

    # the device

    def _iot_describecertificate(self, _: Any) -> Any:
        if self.status is None:
            return GONE
        return {
            "certificateDescription": {
                "certificateArn": self.arn,
                "certificatePem": self.certificate.pem,
                "status": self.status,
                "creationDate": self.registered_at,
                "caCertificateId": CA_ID,
            }
        }

    def _iot_listattachedpolicies(self, parameters: Any) -> Any:
        assert parameters["target"] == self.arn
        return {"policies": [{"policyName": name, "policyArn": "arn"} for name in self.policies]}

    def _iot_getpolicy(self, parameters: Any) -> Any:
        return {"policyDocument": self.policies[parameters["policyName"]]}

    def _iot_listprincipalthings(self, _: Any) -> Any:
        return {"things": [*self.things]}

    def _iot_testauthorization(self, parameters: Any) -> Any:
        assert parameters["principal"] == self.arn
        ((info,),) = (parameters["authInfos"],)
        assert info["resources"] == [f"{self.arn.rsplit(':', 1)[0]}:client/{parameters['clientId']}"]
        return {"authResults": [{"authDecision": "ALLOWED"}]}

    def _iot_getconnection(self, parameters: Any) -> Any:
        return {"clientId": parameters["clientId"], "connected": True, "connectedSince": milliseconds(NOW)}

    # the CA

    def _iot_listcacertificates(self, _: Any) -> Any:
        return {"certificates": [{"certificateId": CA_ID}] if self.ca is not None else []}

    def _iot_describecacertificate(self, parameters: Any) -> Any:
        if self.ca is None:
            return GONE
        more = dict(self.ca)
        template = (
            {"registrationConfig": more.pop("registrationConfig")} if "registrationConfig" in more else {}
        )
        description = {
            "certificateArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cacert/{CA_ID}",
            "certificateId": parameters["certificateId"],
            "certificatePem": self.ca_certificate.pem,
            "status": "ACTIVE",
            "autoRegistrationStatus": "ENABLE",
            **more,
        }
        return {"certificateDescription": description, **template}

    # the stack

    def _cloudformation_describestacks(self, parameters: Any) -> Any:
        outputs = {**OUTPUTS, **self.outputs}
        stack = {
            "StackName": parameters["StackName"],
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": NOW,
            "Outputs": [{"OutputKey": str(k), "OutputValue": v} for k, v in outputs.items() if v is not None],
        }
        return {"Stacks": [stack]}

    def _cloudformation_describestackevents(self, _: Any) -> Any:
        return {"StackEvents": []}

    # from the event to the function

    def _iot_gettopicrule(self, parameters: Any) -> Any:
        if self.rule is None:
            return Refusal("UnauthorizedException", "Access to topic rule 'stack_rule' was denied")
        rule = {
            "ruleName": parameters["ruleName"],
            "sql": f"SELECT * FROM '$aws/events/certificates/registered/{CA_ID}'",
            "ruleDisabled": False,
            "actions": [{"sqs": {"queueUrl": QUEUE_URL, "roleArn": ROLE, "useBase64": False}}],
            **self.rule,
        }
        return {"ruleArn": "arn", "rule": rule}

    def _sqs_getqueueattributes(self, parameters: Any) -> Any:
        url = parameters["QueueUrl"]
        letters = None if self.dead_letters is None else len(self.dead_letters)
        count = self.waiting if url == QUEUE_URL else letters
        if count is None:
            return Refusal("AWS.SimpleQueueService.NonExistentQueue")
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[-1]}"
        return {"Attributes": {"QueueArn": arn, "ApproximateNumberOfMessages": str(count)}}

    def _sqs_receivemessage(self, parameters: Any) -> Any:
        assert (parameters["QueueUrl"], parameters["VisibilityTimeout"]) == (DEAD_LETTER_URL, 0)
        return {"Messages": (self.dead_letters or [])[:10]}

    def _lambda_listeventsourcemappings(self, _: Any) -> Any:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
        other = {"UUID": "2" * 36, "EventSourceArn": f"{arn}another", "State": "Disabled"}
        if self.mapping is None:
            return {"EventSourceMappings": [other]}
        healthy = {"UUID": "1" * 36, "EventSourceArn": f"{arn}activation", "State": "Enabled"}
        return {"EventSourceMappings": [other, {**healthy, **self.mapping}]}

    def _lambda_getfunctionconfiguration(self, _: Any) -> Any:
        settings = {
            "JITR_ACTIVATIONS_PER_SECOND": "10",
            "JITR_CAS": json.dumps({CA_ID: {"revocation": "crl" if self.has_crl else "none"}}),
            "JITR_REVOCATION_BUCKET": "indexes",
            **self.environment,
        }
        return {
            "FunctionName": "activator",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/stack-activator",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Environment": {"Variables": settings},
            **self.function,
        }

    def _lambda_getfunctionconcurrency(self, _: Any) -> Any:
        return {}

    def _logs_filterlogevents(self, parameters: Any) -> Any:
        if parameters["filterPattern"] == '"correlation_id"':
            return {"events": [{"timestamp": self.decided, "message": "{}"}] if self.decided else []}
        if parameters["filterPattern"] != "ERROR":
            return {"events": []}
        return {"events": [{"timestamp": when, "message": line} for when, line in self.log]}

    def _cloudwatch_getmetricdata(self, parameters: Any) -> Any:
        results = []
        for query in parameters["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            reasons = [each["Value"] for each in metric["Dimensions"] if each["Name"] == "reason"]
            value = self.figures.get(reasons[0] if reasons else metric["MetricName"])
            values = {} if value is None else {parameters["StartTime"]: value}
            results.append({"Id": query["Id"], "Timestamps": [*values], "Values": [*values.values()]})
        return {"MetricDataResults": results}

    def _cloudwatch_describealarms(self, parameters: Any) -> Any:
        assert parameters["StateValue"] == "ALARM"
        begins = parameters["AlarmNamePrefix"]
        return {"MetricAlarms": [each for each in self.alarms if each["AlarmName"].startswith(begins)]}

    def _servicequotas_listservicequotas(self, parameters: Any) -> Any:
        assert parameters["ServiceCode"] == "iotcore"
        return {"Quotas": [{"QuotaName": name, "Value": value} for name, value in self.quotas.items()]}

    def _iam_getrole(self, parameters: Any) -> Any:
        if self.trusts is None:
            return Refusal("NoSuchEntity")
        statement = {"Effect": "Allow", "Principal": {"Service": self.trusts}, "Action": "sts:AssumeRole"}
        return {
            "Role": {
                "Path": "/",
                "RoleName": parameters["RoleName"],
                "RoleId": "AROAAAAAAAAAAAAAAAAA",
                "Arn": ROLE,
                "CreateDate": NOW,
                "AssumeRolePolicyDocument": json.dumps({"Statement": statement}),
            }
        }

    def _iam_simulateprincipalpolicy(self, parameters: Any) -> Any:
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalDecision": "implicitDeny" if action in self.lacking else "allowed",
                }
                for action in parameters["ActionNames"]
            ]
        }

    # the decision

    def _dynamodb_getitem(self, parameters: Any) -> Any:
        if parameters["TableName"] == "ledger":
            found = (
                self.row if not parameters["Key"]["certificateId"]["S"].startswith("#") else self.session_task
            )
            return {"Item": found} if found is not None else {}
        return {"Item": parameters["Key"]} if self.listed else {}

    def _dynamodb_scan(self, parameters: Any) -> Any:
        first = int(parameters.get("ExclusiveStartKey", {KEY: {"S": "0"}})[KEY]["S"])
        after = first + parameters["Limit"]
        rows = self.fleet[first:after]
        more = {"LastEvaluatedKey": {KEY: {"S": str(after)}}} if after < len(self.fleet) else {}
        return {"Items": rows, "Count": len(rows), "ScannedCount": len(rows), **more}

    def _dynamodb_batchgetitem(self, parameters: Any) -> Any:
        (table,) = parameters["RequestItems"]
        counter = {KEY: {"S": "#fleet#"}, "devices": {"N": str(self.devices)}}
        return {"Responses": {table: [counter]}, "UnprocessedKeys": {}}

    def _s3_getobject(self, _: Any) -> Any:
        if self.crl is None:
            return Refusal("NoSuchKey")
        data = index(self.crl)
        return {
            "Body": StreamingBody(io.BytesIO(data), len(data)),
            "Metadata": {"sha256": hashlib.sha256(data).hexdigest(), "index-version": "1"},
            "ETag": "etag",
            "LastModified": NOW,
        }


def index(crl: CrlSpec) -> bytes:
    """A revocation index of the CA that holds one CRL."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        compile_index(path, ca(), crl, compiled_at=crl.this_update).close()
        return path.read_bytes()


def row(state: State | None = State.ACTIVATED, **values: Any) -> dict[str, Any]:
    """The row of the device in the ledger, decided a minute ago."""
    decided = milliseconds(NOW - timedelta(minutes=1))
    usual = {"decidedAt": decided, "lookAgainAt": decided + 60_000, "policyName": "device-policy"}
    return _item(device().certificate.fingerprint, state=state, **{**usual, **values})


def ledger_row(number: int, **attributes: Any) -> dict[str, Any]:
    """The row of any certificate."""
    return _item(f"{number:064x}", **attributes)


def _item(key: str, **attributes: Any) -> dict[str, Any]:
    """An item of the ledger in DynamoDB's JSON, without the attributes that are None."""
    serialize = TypeSerializer().serialize
    return {KEY: {"S": key}} | {n: serialize(value) for n, value in attributes.items() if value is not None}


def decided(reason: Reason, **values: Any) -> dict[str, Any]:
    """The row of a device that was refused or deferred."""
    state = State.REFUSED if reason.outcome is Outcome.REFUSED else State.DEFERRED
    return row(state, reason=reason, detail="seen", **values)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
