"""One CA in several accounts and regions, so that a device may connect to whichever is nearest.

Mode `DEFAULT` ties a CA to one account in each region. `SNI_ONLY` does not, asks for no proof of the CA's
key, and needs devices that send SNI, as every current TLS library does. A ledger belongs to its region: each
region decides for itself about the devices that connect to it.
"""

from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from iot_jitr import CaConfiguration, JitrPipeline, Mode

CA = Path(__file__).with_name("ca.pem")


@dataclass(frozen=True)
class Place:
    """The account and region of a fleet."""

    name: str
    account: str
    region: str
    activations_per_second: int = 10
    """What AWS has granted this account in this region."""


PLACES = [
    Place("TestEurope", "111111111111", "eu-central-1"),
    Place("Europe", "222222222222", "eu-central-1", activations_per_second=100),
    Place("America", "222222222222", "us-east-1"),
]


class Fleet(cdk.Stage):
    """All that one place needs; more stacks of yours may belong here."""

    def __init__(self, scope: Construct, place: Place) -> None:
        """Put a pipeline into the account and region of `place`."""
        super().__init__(scope, place.name, env=cdk.Environment(account=place.account, region=place.region))
        stack = cdk.Stack(self, "Jitr")
        JitrPipeline(
            stack,
            "Pipeline",
            cas=[
                CaConfiguration.from_file(
                    CA,
                    name="Factory",
                    mode=Mode.SNI_ONLY,
                    revocation="none",
                )
            ],
            activations_per_second=place.activations_per_second,
        )


app = cdk.App()
for each in PLACES:
    Fleet(app, each)
app.synth()
