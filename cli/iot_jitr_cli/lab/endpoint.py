"""Where a running local cloud listens, and who is root in it."""

from dataclasses import dataclass, field

from iot_jitr_cli.lab.environment import LOOPBACK
from iot_jitr_cli.lab.process import ProcessIdentity

REGION = "us-east-1"
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running MiniStack: where it listens, and the root credentials it was started with."""

    process: ProcessIdentity
    gateway_port: int
    mqtt_port: int
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """The AWS endpoint. An address, not `localhost`: it makes the JavaScript SDK use path-style S3."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The `AWS_*` variables of a caller with root rights in this local cloud, and nowhere else."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }
