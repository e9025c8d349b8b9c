"""A local cloud with a stack in it, as a library: several of them can run side by side."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from iot_jitr_cli.connect.endpoint import domain_name
from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import ministack
from iot_jitr_cli.lab.cdk import CdkFailedError, find_cdk
from iot_jitr_cli.lab.endpoint import ACCOUNT, REGION, Endpoint
from iot_jitr_cli.lab.environment import child_environment
from iot_jitr_cli.lab.failures import failure_reason
from iot_jitr_cli.lab.files import DeployedStack, LabFiles, State
from iot_jitr_cli.lab.process import ProcessIdentity, stop_processes, wait_until
from iot_jitr_cli.lab.project import Configuration, write_project
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from types import TracebackType

_DEPLOY_LIMIT = 300.0
_DESTROY_LIMIT = 180.0
_QUIET = ("--ci", "--no-notices", "--no-version-reporting", "--no-color")
_ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
"""The bucket that `cdk bootstrap` would make; nothing else of it is needed."""
MQTT_HOST = "localhost"
"""A name, not an address: clients send SNI for names only."""


def _ignore(line: str) -> None:
    del line


class Lab:
    """A running MiniStack and the folder that belongs to it.

    As a context manager it stops at the end, and its folder is removed.

    >>> with Lab.start(Path("/tmp/lab"), owner=this_process()) as lab:  # doctest: +SKIP
    ...     deployed = lab.deploy(default_configuration(ca_certificate))
    ...     lab.client("iot").list_ca_certificates()
    """

    def __init__(self, files: LabFiles, state: State) -> None:
        self.files = files
        self._state = state

    @classmethod
    def start(
        cls, directory: Path, ports: ministack.Ports | None = None, owner: ProcessIdentity | None = None
    ) -> Self:
        """Start MiniStack; nothing is deployed yet.

        Args:
            directory: The lab's folder: a new one, an empty one or a lab's.
            ports: Where it listens; free ports by default.
            owner: The process that it must not outlive, even if that is killed; by default it goes on until
                it is stopped.

        Raises:
            CliError: The folder holds other things, or MiniStack cannot be started.
        """
        files = LabFiles(directory.resolve())
        files.create()
        endpoint = ministack.start(files, ports or ministack.Ports(), owner)
        lab = cls(files, State(endpoint))
        try:
            lab._prepare()
        except BaseException:
            lab.stop_and_keep_logs()
            raise
        return lab

    def _prepare(self) -> None:
        """Keep that it runs, and make what clients and `cdk deploy` need of it."""
        self.files.write_state(self._state)
        with self.needed():
            self.files.broker_ca.write_bytes(ministack.fetch(self.endpoint, "/_ministack/iot/ca.pem"))
            self.client("s3").create_bucket(Bucket=_ASSETS_BUCKET)

    @classmethod
    def find(cls, directory: Path) -> Self | None:
        """The lab running in `directory`, if one is.

        Raises:
            CliError: Its state file is damaged.
        """
        files = LabFiles(directory.resolve())
        state = files.read_state()
        if state is None or not state.endpoint.process.is_running():
            return None
        return cls(files, state)

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """The lab running in `directory`.

        Raises:
            CliError: There is none, or its state file is damaged.
        """
        lab = cls.find(directory)
        if lab is None:
            raise CliError(f"no lab is running in {directory}: start one with 'jitr lab up'")
        return lab

    def __enter__(self) -> Self:
        """Keep it running until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        """Stop it, whatever happened."""
        self.stop()

    @property
    def endpoint(self) -> Endpoint:
        """Where its MiniStack listens, and its credentials."""
        return self._state.endpoint

    @property
    def deployed(self) -> DeployedStack | None:
        """What is deployed, if anything is."""
        return self._state.deployed

    @property
    def variables(self) -> dict[str, str]:
        """What a shell needs to talk to this local cloud: `AWS_*` and `JITR_MQTT_*`."""
        name = self.mqtt_server_name
        return {
            **self.endpoint.credentials,
            **({} if name is None else {"JITR_MQTT_SERVER_NAME": name}),
            "JITR_MQTT_HOST": MQTT_HOST,
            "JITR_MQTT_PORT": str(self.endpoint.mqtt_port),
            "JITR_MQTT_CAFILE": str(self.files.broker_ca),
        }

    @property
    def mqtt_server_name(self) -> str | None:
        """The name that devices must send (SNI) to reach the domain of the deployed connect guard, if any."""
        outputs = {} if self.deployed is None else self.deployed.outputs
        domain = outputs.get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)
        return None if domain is None else domain_name(self.client("iot"), domain)

    def client(self, service: str) -> Any:
        """A boto3 client with root rights in this local cloud."""
        return self.endpoint.client(service)

    def put_secret(self, name: str, value: str) -> None:
        """Store a secret in the local cloud's Secrets Manager, or replace it."""
        secrets = self.client("secretsmanager")
        try:
            secrets.create_secret(Name=name, SecretString=value)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=value)

    def deploy(self, configuration: Configuration, on_line: Callable[[str], None] = _ignore) -> DeployedStack:
        """Deploy the stack with this `jitr` configuration, or update it, by the real `cdk deploy`.

        Raises:
            CliError: Synthesis or deployment failed, or took more than five minutes; MiniStack ended; or
                there is no CDK command line, or nothing to run it on.
        """
        write_project(self.files.project, configuration)
        outputs_file = self.files.project / "outputs.json"
        outputs_file.unlink(missing_ok=True)
        started = time.monotonic()
        # "direct": without a change set to wait for.
        options = ("--method=direct", "--progress=events", f"--outputs-file={outputs_file}")
        self._run_cdk(("deploy", "--all", "--require-approval=never", *options), _DEPLOY_LIMIT, on_line)
        stacks = json.loads(outputs_file.read_text())
        stack, outputs = next(iter(stacks.items()))
        cas = configuration.get("cas") or [{}]
        deployed = DeployedStack(
            stack, outputs, str(cas[0].get("certificate", "")), time.monotonic() - started
        )
        self._set_state(State(self.endpoint, deployed))
        return deployed

    def destroy(self, on_line: Callable[[str], None] = _ignore) -> None:
        """Delete the stack, by the real `cdk destroy`; MiniStack goes on.

        Raises:
            CliError: It failed.
        """
        # The assembly that was deployed.
        self._run_cdk(("destroy", "--all", "--force", "--app=cdk.out"), _DESTROY_LIMIT, on_line)
        self._set_state(State(self.endpoint))

    def stop(self) -> None:
        """End MiniStack, with all that runs in it, and remove the folder."""
        stop_processes(self.files.folder)
        self.files.remove()

    def stop_and_keep_logs(self) -> None:
        """End MiniStack and keep the folder, for the logs that say why it failed."""
        stop_processes(self.files.folder)
        self.files.state.unlink(missing_ok=True)

    @contextmanager
    def needed(self) -> Iterator[None]:
        """Name the end of MiniStack as the cause, should something in the block fail for that.

        Raises:
            CliError: MiniStack has ended; the message has the last line of its log.
        """
        try:
            yield
        except Exception as error:
            # Its connections end a moment before it does.
            if not wait_until(lambda: not self.endpoint.process.is_running(), limit=0.2):
                raise
            raise self._ended() from error

    def _ended(self) -> CliError:
        log = self.files.ministack_log
        return CliError(
            f"the local cloud, MiniStack, has ended; last line of {log}: {ministack.last_line(log)!r}"
        )

    def _set_state(self, state: State) -> None:
        self._state = state
        self.files.write_state(state)

    def _run_cdk(self, arguments: tuple[str, ...], limit: float, on_line: Callable[[str], None]) -> None:
        variables = {
            **self.endpoint.credentials,
            "CDK_HOME": str(self.files.folder / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            # AWS's schemas are not the local cloud's, and to read them takes longer than all the rest.
            "CDK_VALIDATION": "false",
        }
        what, log = f"'cdk {arguments[0]}'", self.files.cdk_log
        deadline = time.monotonic() + limit

        def stop() -> CliError | None:
            if not self.endpoint.process.is_running():
                return self._ended()
            if time.monotonic() > deadline:
                return CliError(f"{what} did not end within {limit:.0f} s and was stopped: see {log}")
            return None

        try:
            find_cdk().run(
                (*arguments, *_QUIET),
                cwd=self.files.project,
                environment=child_environment(self.files.folder, variables),
                log=log,
                on_line=on_line,
                stop=stop,
            )
        except CdkFailedError as error:
            with self.needed():
                reason = failure_reason(self.client("cloudformation")) or error.reason
            raise CliError(f"{what} failed: {reason} (log: {log})") from error
