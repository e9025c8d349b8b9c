"""A local cloud with a stack, as a library: several can run at the same time."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from iot_jitr_cli.connect.endpoint import Endpoint, domain_name
from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.cdk import failure_reason, find_cdk
from iot_jitr_cli.lab.environment import child_environment
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.ministack import ACCOUNT, REGION, MiniStack, last_line
from iot_jitr_cli.lab.ministack import start as start_ministack
from iot_jitr_cli.lab.process import stop_processes
from iot_jitr_cli.lab.project import CA_KEY_SECRET, Configuration, write_project
from iot_jitr_cli.lab.state import DeployedStack, read_state, write_state
from iot_jitr_cli.pki.authority import CERTIFICATE_FILE, DevelopmentCa
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.stack_outputs import Output

_DEPLOY_LIMIT = 300.0
_DESTROY_LIMIT = 180.0
_QUIET = ("--ci", "--no-notices", "--no-version-reporting", "--no-color")
_ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
"""The bucket that `cdk bootstrap` would create; its other resources are not needed."""
_DEVELOPMENT_CA = "iot-jitr lab CA"
MQTT_HOST = "localhost"
"""The broker's host: a name, not an address, because clients send SNI for names only."""


@dataclass(eq=False)
class Lab:
    """A running MiniStack and its folder.

    A context manager: at the end of the block the lab is stopped, and its folder is removed.

    >>> with Lab.start(Path("/tmp/lab")) as lab:  # doctest: +SKIP
    ...     deployed = lab.deploy(default_configuration(ca_certificate))
    ...     lab.client("iot").list_ca_certificates()
    """

    files: LabFiles
    ministack: MiniStack
    """Its MiniStack: addresses and credentials."""
    deployed: DeployedStack | None = None
    """The deployed stack, if there is one."""

    @classmethod
    def start(
        cls, directory: Path, ports: tuple[int, int] = (0, 0), *, outlives_caller: bool = False
    ) -> Self:
        """Start MiniStack; the lab has no stack yet.

        Args:
            directory: The lab's folder: a new folder, an empty one or one of a lab.
            ports: The ports of the AWS endpoint and of the MQTT broker; 0 selects a free port.
            outlives_caller: MiniStack runs until it is stopped. By default it also ends when this process
                ends, even if this process is killed.

        Raises:
            CliError: The folder contains other files, or MiniStack cannot be started.
        """
        files = LabFiles(directory.resolve())
        files.create()
        lab = cls(files, start_ministack(files, ports, outlives_caller=outlives_caller))
        try:
            lab._prepare()
        except BaseException:
            lab.stop_and_keep_logs()
            raise
        return lab

    def _prepare(self) -> None:
        """Store its state, and create the resources that clients and `cdk deploy` need."""
        self._save_state(None)
        with self.needed():
            self.files.broker_ca.write_bytes(self.ministack.fetch("/_ministack/iot/ca.pem"))
            self.client("s3").create_bucket(Bucket=_ASSETS_BUCKET)

    @classmethod
    def find(cls, directory: Path) -> Self | None:
        """The lab that runs in `directory`; None if there is none.

        Raises:
            CliError: Its state file is damaged.
        """
        files = LabFiles(directory.resolve())
        state = read_state(files.state)
        return cls(files, *state) if state and state[0].process.is_running() else None

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """The lab that runs in `directory`.

        Raises:
            CliError: There is no running lab, or its state file is damaged.
        """
        lab = cls.find(directory)
        if lab is None:
            raise CliError(f"no lab is running in {directory}: start one with 'jitr lab up'")
        return lab

    def __enter__(self) -> Self:
        """Return the lab; it runs until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the lab, also after an exception."""
        self.stop()

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which a shell uses this local cloud: `AWS_*` and `JITR_MQTT_*`."""
        name = self.guarded_domain
        return {
            **self.ministack.credentials,
            **({} if name is None else {"JITR_MQTT_SERVER_NAME": name}),
            "JITR_MQTT_HOST": MQTT_HOST,
            "JITR_MQTT_PORT": str(self.ministack.mqtt_port),
            "JITR_MQTT_CAFILE": str(self.files.broker_ca),
        }

    @property
    def guarded_domain(self) -> str | None:
        """The name that devices must send (SNI) to connect to the guarded domain; None without a guard."""
        outputs = {} if self.deployed is None else self.deployed.outputs
        domain = outputs.get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)
        return None if domain is None else domain_name(self.client("iot"), domain)

    def broker(self, server_name: str | None = None) -> Endpoint:
        """The MQTT endpoint; `server_name` is the name to send (SNI) instead of the host's."""
        return Endpoint(MQTT_HOST, self.ministack.mqtt_port, self.files.broker_ca, server_name)

    def client(self, service: str) -> Any:
        """A boto3 client with root rights in this local cloud, made once."""
        return self.ministack.session.client(service)  # type: ignore[call-overload]  # by name

    def development_ca(self) -> tuple[DevelopmentCa, Path]:
        """The development CA in the lab's folder, created if missing, and its certificate's path."""
        certificate_file = self.files.ca / CERTIFICATE_FILE
        if not certificate_file.is_file():
            DevelopmentCa.create(_DEVELOPMENT_CA).save(self.files.ca)
        return DevelopmentCa.load(self.files.ca), certificate_file

    def put_ca_key(self, ca: DevelopmentCa) -> None:
        """Store a CA's private key only in the secret that the configurations of `project` use."""
        self.put_secret(CA_KEY_SECRET, key_pem(ca.key).decode())

    def put_secret(self, name: str, value: str) -> None:
        """Store a secret in the local cloud's Secrets Manager, or replace it."""
        secrets = self.client("secretsmanager")
        try:
            secrets.create_secret(Name=name, SecretString=value)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=value)

    def deploy(
        self, configuration: Configuration, on_line: Callable[[str], None] = lambda _line: None
    ) -> DeployedStack:
        """Deploy the stack with this `jitr` configuration, or update it, with the real `cdk deploy`.

        Raises:
            CliError: Synthesis or deployment failed, or took more than five minutes; MiniStack ended; or
                there is no CDK command line, or no Node to run it.
        """
        write_project(self.files.project, configuration)
        outputs_file = self.files.project / "outputs.json"
        outputs_file.unlink(missing_ok=True)
        started = time.monotonic()
        # The method "direct" needs no change set.
        options = ("--method=direct", "--progress=events", f"--outputs-file={outputs_file}")
        self._run_cdk(("deploy", "--all", "--require-approval=never", *options), _DEPLOY_LIMIT, on_line)
        [(stack, outputs)] = json.loads(outputs_file.read_text()).items()
        cas = configuration.get("cas") or [{}]
        deployed = DeployedStack(
            stack, outputs, str(cas[0].get("certificate", "")), time.monotonic() - started
        )
        self._save_state(deployed)
        return deployed

    def destroy(self) -> None:
        """Delete the stack, with the real `cdk destroy`; MiniStack continues to run.

        Raises:
            CliError: It failed.
        """
        # Uses the assembly of the last deployment.
        self._run_cdk(("destroy", "--all", "--force", "--app=cdk.out"), _DESTROY_LIMIT, lambda _line: None)
        self._save_state(None)

    def stop(self) -> None:
        """Stop MiniStack and all its processes, and remove the folder."""
        stop_processes(self.files.folder)
        self.files.remove()

    def stop_and_keep_logs(self) -> None:
        """Stop MiniStack and keep the folder: its logs contain the reason of a failure."""
        stop_processes(self.files.folder)
        self.files.state.unlink(missing_ok=True)

    @contextmanager
    def needed(self) -> Iterator[None]:
        """If the block raises an error and MiniStack has ended, report the end of MiniStack as the cause.

        Raises:
            CliError: MiniStack has ended; the message has the last line of its log.
        """
        try:
            yield
        except Exception as error:
            # Its connections end a moment before the process.
            if not wait_until(lambda: not self.ministack.process.is_running(), limit=0.2):
                raise
            raise self._ended() from error

    def _ended(self) -> CliError:
        log = self.files.ministack_log
        return CliError(f"the local cloud, MiniStack, has ended; last line of {log}: {last_line(log)!r}")

    def _save_state(self, deployed: DeployedStack | None) -> None:
        self.deployed = deployed
        write_state(self.files.state, self.ministack, deployed)

    def _run_cdk(self, arguments: tuple[str, ...], limit: float, on_line: Callable[[str], None]) -> None:
        variables = {
            **self.ministack.credentials,
            "CDK_HOME": str(self.files.folder / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            # The local cloud has other schemas than AWS, and reading AWS's schemas takes the longest time.
            "CDK_VALIDATION": "false",
        }
        what, log = f"'cdk {arguments[0]}'", self.files.cdk_log
        deadline = time.monotonic() + limit

        def check() -> None:
            if not self.ministack.process.is_running():
                raise self._ended()
            if time.monotonic() > deadline:
                raise CliError(f"{what} did not end within {limit:.0f} s and was stopped: see {log}")

        failure = find_cdk().run(
            (*arguments, *_QUIET),
            cwd=self.files.project,
            environment=child_environment(self.files.folder, variables),
            log=log,
            on_line=on_line,
            check=check,
        )
        if failure is not None:
            with self.needed():
                reason = failure_reason(self.client("cloudformation")) or failure
            raise CliError(f"{what} failed: {reason} (log: {log})")
