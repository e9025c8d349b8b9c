"""The functions in a VPC, everything at rest under your own key, and a stage that goes to two regions."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from iot_jitr import CaConfiguration, FunctionNetwork, JitrPipeline, Mode

CA = Path(__file__).with_name("ca.pem")
REGIONS = ("eu-central-1", "us-east-1")


class Fleet(cdk.Stack):
    """A pipeline in one region, with the network and the key that it runs with."""

    def __init__(self, scope: Construct, region: str) -> None:
        """Put the pipeline into `region`."""
        super().__init__(scope, region, env=cdk.Environment(account="111111111111", region=region))
        vpc = ec2.Vpc(self, "Vpc", max_azs=2)
        # Without NAT the functions reach AWS through endpoints; docs/security.md lists all that they need.
        endpoint = vpc.add_interface_endpoint("Iot", service=ec2.InterfaceVpcEndpointAwsService("iot.api"))
        pipeline = JitrPipeline(
            self,
            "Jitr",
            cas=[CaConfiguration.from_file(CA, name="Factory", revocation="none", mode=Mode.SNI_ONLY)],
            encryption_key=kms.Key(self, "Key", enable_key_rotation=True),
            network=FunctionNetwork(vpc),
        )
        if pipeline.connections is not None:
            endpoint.connections.allow_default_port_from(pipeline.connections)


app = cdk.App()
production = cdk.Stage(app, "Production")
for each in REGIONS:
    Fleet(production, each)
app.synth()
