"""AWS Private CA from end to end: the CA is made, certified by itself, and registered, in one deployment.

The CA's key never leaves AWS. AWS charges for a Private CA by the month
(https://aws.amazon.com/private-ca/pricing/): delete the stack after a try.
"""

import aws_cdk as cdk
from aws_cdk import aws_acmpca as acmpca

from iot_jitr import CaConfiguration, JitrPipeline

SIGNING_ALGORITHM = "SHA256WITHECDSA"

app = cdk.App()
stack = cdk.Stack(app, "Factory")

authority = acmpca.CfnCertificateAuthority(
    stack,
    "Authority",
    type="ROOT",
    key_algorithm="EC_prime256v1",
    signing_algorithm=SIGNING_ALGORITHM,
    usage_mode="GENERAL_PURPOSE",
    subject=acmpca.CfnCertificateAuthority.SubjectProperty(common_name="Factory CA", organization="Example"),
)
certificate = acmpca.CfnCertificate(
    stack,
    "Certificate",
    certificate_authority_arn=authority.attr_arn,
    certificate_signing_request=authority.attr_certificate_signing_request,
    signing_algorithm=SIGNING_ALGORITHM,
    template_arn=f"arn:{stack.partition}:acm-pca:::template/RootCACertificate/V1",
    validity=acmpca.CfnCertificate.ValidityProperty(type="YEARS", value=10),
)
activation = acmpca.CfnCertificateAuthorityActivation(
    stack,
    "Activation",
    certificate_authority_arn=authority.attr_arn,
    certificate=certificate.attr_certificate,
    status="ACTIVE",
)

pipeline = JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration(
            name="Factory",
            # The registration reads the certificate from the Private CA: none is given here.
            signer=authority,
            revocation="none",
        )
    ],
)
# A Private CA that is not active yet has no certificate.
pipeline.cas["Factory"].node.add_dependency(activation)
cdk.CfnOutput(stack, "AuthorityArn", value=authority.attr_arn, description="Issues device certificates")
app.synth()
