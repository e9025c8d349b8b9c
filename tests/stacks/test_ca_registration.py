"""One custom resource a CA: what it may do, what synthesis refuses, what it warns of."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_acmpca as acmpca
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from iot_jitr import (
    CaConfiguration,
    CaStatus,
    ConfigurationError,
    JitrConfiguration,
    JitrPipeline,
    JitrStack,
    KmsSigner,
    Mode,
    NoRevocation,
    NoSigner,
    OnDelete,
    OnExisting,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr.ca_registration import CaTwiceError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties
from iot_jitr_runtime.ca_registration.signers import Signer
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from tests.support.ca_builder import CaSpec, pem_of, rsa_key
from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.stacks import (
    FACTORY_CA,
    Statement,
    app_without_bundling,
    as_list,
    joined,
    named,
    of_type,
    statements,
    template,
    template_of,
    warnings,
)

IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"
SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
FULL_SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca-key-AbCdEf"
KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/factory-ca"
PRIVATE_CA_ARN = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/a"
SPEC = CaSpec()
CA = SPEC.build()


@pytest.fixture
def app() -> Iterator[cdk.App]:
    with app_without_bundling() as opened:
        yield opened


def synthesized(*cas: CaConfiguration) -> dict[str, Any]:
    return template_of(JitrConfiguration(cas=cas))


def signing_statements(signer: Signer, pem: str | None = FACTORY) -> list[Statement]:
    """What the registration may do besides writing its log and asking AWS IoT."""
    found = statements(synthesized(replace(FACTORY_CA, signer=signer, certificate=pem)), "OnEventRole")
    return [each for each in found if not as_list(each["Action"])[0].startswith(("logs:", "iot:"))]


def granted(statements: list[Statement]) -> dict[str, str]:
    return {
        action: joined(statement["Resource"])
        for statement in statements
        for action in as_list(statement["Action"])
    }


class TestPermissions:
    @pytest.mark.parametrize(
        ("secret", "resource"),
        [
            ("iot-jitr/ca-key", f"{SECRET}iot-jitr/ca-key-??????"),
            (FULL_SECRET_ARN, FULL_SECRET_ARN),
            (FULL_SECRET_ARN[:-7], f"{FULL_SECRET_ARN[:-7]}-??????"),
        ],
    )
    def test_the_secret_signer_may_read_this_one_secret(self, secret: str, resource: str) -> None:
        assert granted(signing_statements(SecretSigner(secret))) == {
            "secretsmanager:GetSecretValue": resource
        }

    def test_the_secret_signer_may_decrypt_with_the_key_of_the_secret(self) -> None:
        assert granted(signing_statements(SecretSigner(FULL_SECRET_ARN, KEY_ARN))) == {
            "secretsmanager:GetSecretValue": FULL_SECRET_ARN,
            "kms:Decrypt": KEY_ARN,
        }

    def test_a_secret_of_the_same_app_is_read_with_the_key_that_encrypts_it(self, app: cdk.App) -> None:
        stack = cdk.Stack(app, "Fleet")
        secret = secretsmanager.Secret(stack, "CaKey", encryption_key=kms.Key(stack, "Key"))
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, signer=secret)])

        made = template(stack)

        found = granted(statements(made, "OnEventRole"))
        name, _ = named(made, "AWS::SecretsManager::Secret", "CaKey")
        key, of_key = named(made, "AWS::KMS::Key", "Key")
        assert found["secretsmanager:GetSecretValue"] == f"${{{name}}}"
        assert found["kms:Decrypt"] == f"${{{key}.Arn}}"
        (resource,) = of_type(made, "Custom::JitrCaCertificate").values()
        assert joined(resource["Properties"]["Signer"]["secret_id"]) == f"${{{name}}}"
        assert "OnEventRole" in str(of_key["Properties"]["KeyPolicy"])

    def test_a_secret_under_an_imported_key_is_decrypted_with_it(self, app: cdk.App) -> None:
        stack = cdk.Stack(app, "Fleet")
        secret = secretsmanager.Secret.from_secret_attributes(
            stack,
            "CaKey",
            secret_complete_arn=FULL_SECRET_ARN,
            encryption_key=kms.Key.from_key_arn(stack, "Key", KEY_ARN),
        )
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, signer=secret)])

        found = granted(statements(template(stack), "OnEventRole"))

        assert found["secretsmanager:GetSecretValue"] == FULL_SECRET_ARN
        assert found["kms:Decrypt"] == KEY_ARN

    @pytest.mark.parametrize("by", ["name", "partial ARN"])
    def test_a_secret_that_is_found_by_its_name_is_read_whatever_its_arn_ends_in(
        self, app: cdk.App, by: str
    ) -> None:
        stack = cdk.Stack(app, "Fleet")
        secret = (
            secretsmanager.Secret.from_secret_name_v2(stack, "CaKey", "ca-key")
            if by == "name"
            else secretsmanager.Secret.from_secret_partial_arn(stack, "CaKey", FULL_SECRET_ARN[:-7])
        )
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, signer=secret)])

        found = granted(statements(template(stack), "OnEventRole"))

        assert found["secretsmanager:GetSecretValue"].endswith(":secret:ca-key-??????")

    def test_a_key_of_the_same_app_lets_it_sign(self, app: cdk.App) -> None:
        stack = cdk.Stack(app, "Fleet")
        key = kms.Key(stack, "CaKey", key_spec=kms.KeySpec.ECC_NIST_P256, key_usage=kms.KeyUsage.SIGN_VERIFY)
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, signer=key)])

        made = template(stack)

        found = granted(statements(made, "OnEventRole"))
        name, _ = named(made, "AWS::KMS::Key", "CaKey")
        assert found["kms:Sign"] == found["kms:GetPublicKey"] == f"${{{name}.Arn}}"
        (resource,) = of_type(made, "Custom::JitrCaCertificate").values()
        assert joined(resource["Properties"]["Signer"]["key_arn"]) == f"${{{name}.Arn}}"

    def test_the_kms_signer_may_sign_with_this_one_key(self) -> None:
        assert granted(signing_statements(KmsSigner(KEY_ARN))) == {
            "kms:GetPublicKey": KEY_ARN,
            "kms:Sign": KEY_ARN,
        }

    def test_the_private_ca_signer_may_issue_end_entity_certificates_of_this_one_ca(self) -> None:
        found = signing_statements(PrivateCaSigner(PRIVATE_CA_ARN), pem=None)

        assert granted(found) == {
            "acm-pca:IssueCertificate": PRIVATE_CA_ARN,
            "acm-pca:GetCertificate": PRIVATE_CA_ARN,
            "acm-pca:GetCertificateAuthorityCertificate": PRIVATE_CA_ARN,
        }
        (issue,) = [each for each in found if each["Action"] == "acm-pca:IssueCertificate"]
        assert issue["Condition"] == {
            "StringEquals": {"acm-pca:TemplateArn": "arn:aws:acm-pca:::template/EndEntityCertificate/V1"}
        }

    @pytest.mark.parametrize("kind", ["made", "imported", "L1"])
    def test_a_private_ca_of_the_cdk_is_its_own_signer(self, app: cdk.App, kind: str) -> None:
        stack = cdk.Stack(app, "Fleet")
        made = acmpca.CfnCertificateAuthority(
            stack,
            "Authority",
            type="ROOT",
            key_algorithm="EC_prime256v1",
            signing_algorithm="SHA256WITHECDSA",
            subject=acmpca.CfnCertificateAuthority.SubjectProperty(common_name="Factory CA"),
        )
        arn = PRIVATE_CA_ARN if kind == "imported" else made.attr_arn
        imported = acmpca.CertificateAuthority.from_certificate_authority_arn(stack, "Imported", arn)
        signer = made if kind == "L1" else imported
        ca = CaConfiguration(name="Factory", revocation="none", signer=signer)
        JitrPipeline(stack, "Jitr", cas=[ca])

        found = granted(statements(template(stack), "OnEventRole"))

        (name,) = of_type(template(stack), "AWS::ACMPCA::CertificateAuthority")
        assert found["acm-pca:IssueCertificate"] == (
            PRIVATE_CA_ARN if kind == "imported" else f"${{{name}.Arn}}"
        )

    def test_the_presigned_signer_reads_the_file_that_it_is_given(self, tmp_path: Path) -> None:
        verification = make_verification_certificate(CA, SPEC.key, "0a1b" * 16)
        (tmp_path / "verification.pem").write_text(verification)

        ca = replace(
            FACTORY_CA, certificate=CA.pem, signer=PresignedSigner(str(tmp_path / "verification.pem"))
        )

        assert ca.signer == PresignedSigner(verification)
        with pytest.raises(ConfigurationError, match=r"signer\.verification_certificate: found '.*none.pem'"):
            replace(FACTORY_CA, signer=PresignedSigner(str(tmp_path / "none.pem")))

    def test_the_presigned_signer_needs_no_permission(self) -> None:
        verification = make_verification_certificate(CA, SPEC.key, "0a1b" * 16)

        assert signing_statements(PresignedSigner(verification), CA.pem) == []

    def test_without_a_signer_it_may_nothing_more(self) -> None:
        ca = replace(FACTORY_CA, signer=NoSigner(), mode=Mode.SNI_ONLY)

        actions = {
            action
            for each in statements(synthesized(ca), "OnEventRole")
            for action in as_list(each["Action"])
        }

        assert {action.split(":")[0] for action in actions} == {"iot", "logs"}

    def test_several_cas_each_bring_their_own_and_nothing_else(self) -> None:
        kms = replace(FACTORY_CA, name="Workshop", certificate=WORKSHOP, signer=KmsSigner(KEY_ARN))

        found = granted(statements(synthesized(FACTORY_CA, kms), "OnEventRole"))

        others = {action: on for action, on in found.items() if not action.startswith(("logs:", "iot:"))}
        assert others == {
            "secretsmanager:GetSecretValue": f"{SECRET}iot-jitr/factory-ca-key-??????",
            "kms:GetPublicKey": KEY_ARN,
            "kms:Sign": KEY_ARN,
        }

    def test_calls_about_a_ca_are_allowed_on_ca_certificates_only(self) -> None:
        found = granted(statements(synthesized(FACTORY_CA), "OnEventRole"))

        assert {action: on for action, on in found.items() if action.startswith("iot:")} == {
            **dict.fromkeys(
                ("iot:GetRegistrationCode", "iot:ListCACertificates", "iot:RegisterCACertificate"), "*"
            ),
            **dict.fromkeys(
                (
                    "iot:DescribeCACertificate",
                    "iot:UpdateCACertificate",
                    "iot:DeleteCACertificate",
                    "iot:TagResource",
                    "iot:UntagResource",
                    "iot:ListTagsForResource",
                ),
                f"{IOT}:cacert/*",
            ),
        }

    def test_an_alias_is_refused_however_it_is_named(self) -> None:
        stack = cdk.Stack()
        imported = kms.Alias.from_alias_name(stack, "Imported", "alias/ca")
        made = kms.Alias(stack, "Made", alias_name="alias/made", target_key=kms.Key(stack, "Key"))
        for alias in (imported, made, KmsSigner(f"{KEY_ARN[:-14]}alias/ca")):
            with pytest.raises(ConfigurationError, match=r"signer\.key: found .*IAM matches no"):
                replace(FACTORY_CA, signer=alias)

    def test_an_alias_of_the_key_that_encrypts_the_secret_is_refused(self) -> None:
        stack = cdk.Stack()
        alias = kms.Alias.from_alias_name(stack, "Alias", "alias/secrets")
        secret = secretsmanager.Secret(stack, "CaKey", encryption_key=alias)

        with pytest.raises(ConfigurationError, match=r"signer\.encryption_key: found an alias"):
            replace(FACTORY_CA, signer=secret)

    @pytest.mark.parametrize(
        ("make", "itself"),
        [(SecretSigner, "the secret itself (ISecret)"), (KmsSigner, "the key itself (IKey)")],
    )
    def test_an_arn_that_is_known_at_deployment_only_is_refused(
        self, make: type[SecretSigner | KmsSigner], itself: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            replace(FACTORY_CA, signer=make(cdk.Fn.import_value("arn-of-another-stack")))

        assert str(refused.value).endswith(
            f"found a value that is known at deployment only; allowed: {itself}"
        )


class TestResource:
    def test_says_what_the_configuration_says(self) -> None:
        ca = replace(
            FACTORY_CA,
            status=CaStatus.INACTIVE,
            auto_registration=False,
            on_existing=OnExisting.FAIL,
            on_delete=OnDelete.DELETE,
            tags={"team": "iot"},
        )

        (resource,) = of_type(synthesized(ca), "Custom::JitrCaCertificate").values()

        assert CaProperties.from_cloudformation(resource["Properties"]) == CaProperties(
            ca_certificate_pem=FACTORY,
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            desired_status=CaStatus.INACTIVE,
            auto_registration=AutoRegistration.DISABLE,
            on_existing=OnExisting.FAIL,
            on_delete=OnDelete.DELETE,
            ca_tags={"team": "iot"},
        )

    def test_is_deleted_with_the_stack_so_that_on_delete_takes_effect(self) -> None:
        (resource,) = of_type(synthesized(FACTORY_CA), "Custom::JitrCaCertificate").values()

        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Delete"

    def test_every_attribute_is_an_output_of_the_stack(self) -> None:
        found = synthesized(FACTORY_CA)
        name, _ = named(found, "Custom::JitrCaCertificate", "Factory")

        outputs = {key: joined(value["Value"]) for key, value in found["Outputs"].items()}

        assert {key: value for key, value in outputs.items() if key.startswith("FactoryCa")} == {
            "FactoryCaCertificateId": f"${{{name}.CaCertificateId}}",
            "FactoryCaCertificateArn": f"${{{name}.CaCertificateArn}}",
            "FactoryCaStatus": f"${{{name}.Status}}",
            "FactoryCaMode": f"${{{name}.Mode}}",
            "FactoryCaAutoRegistrationStatus": f"${{{name}.AutoRegistrationStatus}}",
            "FactoryCaNotAfter": f"${{{name}.NotAfter}}",
        }

    def test_both_functions_have_log_groups_with_retention(self) -> None:
        found = synthesized(FACTORY_CA)
        groups = of_type(found, "AWS::Logs::LogGroup")

        of_registration = {name: each for name, each in groups.items() if "CaRegistration" in name}

        assert len(of_registration) == 2
        assert {each["Properties"]["RetentionInDays"] for each in of_registration.values()} == {30}
        for function in of_type(found, "AWS::Lambda::Function").values():
            assert function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups

    def test_no_private_key_gets_into_the_template(self) -> None:
        text = str(synthesized(FACTORY_CA))

        assert "PRIVATE KEY" not in text
        assert "BEGIN CERTIFICATE" in text


class TestRefusals:
    @pytest.mark.parametrize(
        ("pem", "fault"),
        [
            ("-----BEGIN nothing", CaFault.NOT_ONLY_A_CERTIFICATE),
            (FACTORY + WORKSHOP, CaFault.SEVERAL_CERTIFICATES),
            (FACTORY + pem_of(SPEC.key), CaFault.NOT_ONLY_A_CERTIFICATE),
            (CaSpec(is_ca=False, may_sign=False).build().pem, CaFault.NOT_A_CA),
            (CaSpec(starts_in_days=-20, ends_in_days=-10).build().pem, CaFault.EXPIRED),
            (CaSpec(starts_in_days=10).build().pem, CaFault.NOT_YET_VALID),
            (CaSpec(key=rsa_key(1024)).build().pem, CaFault.UNSUPPORTED_KEY),
            (CaSpec(key=ec.generate_private_key(ec.SECP256K1())).build().pem, CaFault.UNSUPPORTED_KEY),
            (CaSpec(hash=hashes.SHA224()).build().pem, CaFault.UNSUPPORTED_SIGNATURE),
        ],
    )
    def test_a_certificate_that_cannot_be_registered_fails_the_synthesis(
        self, pem: str, fault: CaFault
    ) -> None:
        with pytest.raises(CaCertificateError, match=r"^CA 'Factory': ") as caught:
            synthesized(replace(FACTORY_CA, certificate=pem))

        assert caught.value.fault is fault

    def test_the_same_ca_twice_fails_the_synthesis(self) -> None:
        again = replace(FACTORY_CA, name="Again", certificate=f"the same\n{FACTORY}")

        with pytest.raises(CaTwiceError, match=r"^CA 'Again' of Jitr/Jitr and CA 'Factory' of Jitr/Jitr are"):
            synthesized(FACTORY_CA, again)

    @pytest.mark.parametrize("region", ["eu-central-1", None], ids=["known", "any"])
    def test_the_same_ca_in_two_pipelines_of_one_place_fails_the_synthesis(
        self, app: cdk.App, region: str | None
    ) -> None:
        place = cdk.Environment(account="123456789012", region=region)
        north = cdk.Stack(app, "North", env=place)
        south = cdk.Stack(app, "South", env=place) if region else north
        JitrPipeline(north, "One", cas=[FACTORY_CA])

        with pytest.raises(CaTwiceError, match=r"^CA 'Again' of .*/Two and CA 'Factory' of North/One are"):
            JitrPipeline(south, "Two", cas=[replace(FACTORY_CA, name="Again")])

    def test_the_same_ca_may_be_registered_in_several_places(self, app: cdk.App) -> None:
        for name, region in (("Home", "eu-central-1"), ("Away", "us-east-1"), ("Any", None), ("Other", None)):
            place = cdk.Environment(account="123456789012", region=region)
            JitrPipeline(cdk.Stack(app, name, env=place), "Jitr", cas=[FACTORY_CA])

        assert len(app.synth().stacks) == 4

    def test_a_certificate_that_is_known_at_deployment_only_fails_the_synthesis(self) -> None:
        with pytest.raises(ConfigurationError, match=r"certificate: found a value that is known"):
            replace(FACTORY_CA, certificate=cdk.Fn.import_value("certificate"))

    def test_the_same_private_ca_twice_fails_the_synthesis(self) -> None:
        first = CaConfiguration("First", NoRevocation(), signer=PrivateCaSigner(PRIVATE_CA_ARN))

        with pytest.raises(CaTwiceError):
            synthesized(first, replace(first, name="Second"))

    def test_a_verification_certificate_of_another_ca_fails_the_synthesis(self) -> None:
        verification = make_verification_certificate(CA, SPEC.key, "0a1b" * 16)

        with pytest.raises(CaCertificateError, match=r"^CA 'Factory': .*") as caught:
            synthesized(replace(FACTORY_CA, signer=PresignedSigner(verification)))

        assert caught.value.fault is CaFault.NOT_SIGNED_BY_CA

    def test_sni_only_with_a_verification_certificate_fails_the_synthesis(self) -> None:
        with pytest.raises(ConfigurationError, match="a signer with mode SNI_ONLY"):
            replace(FACTORY_CA, signer=PresignedSigner(FACTORY), mode=Mode.SNI_ONLY)


class TestWarnings:
    @pytest.mark.parametrize(("days", "warned"), [(89, True), (91, False)])
    def test_a_ca_that_ends_within_ninety_days_is_warned_of(
        self, app: cdk.App, days: int, *, warned: bool
    ) -> None:
        ca = CaSpec("Old CA", ends_in_days=days).build()
        stack = JitrStack(app, "Jitr", JitrConfiguration(cas=(replace(FACTORY_CA, certificate=ca.pem),)))

        found = [each for each in warnings(stack) if "expires on" in each]

        assert bool(found) is warned
        assert all(f"{ca.not_after:%Y-%m-%d}" in each and "'CN=Old CA'" in each for each in found)

    def test_a_ca_without_an_end_is_not_warned_of(self, app: cdk.App) -> None:
        """notAfter 99991231235959Z: RFC 5280 section 4.1.2.5."""
        ca = CaSpec(ends=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)).build()

        stack = JitrStack(app, "Jitr", JitrConfiguration(cas=(replace(FACTORY_CA, certificate=ca.pem),)))

        assert not [each for each in warnings(stack) if "expires on" in each]

    def test_a_verification_certificate_that_has_expired_is_only_warned_of(self, app: cdk.App) -> None:
        short = make_verification_certificate(CA, SPEC.key, "0a1b" * 16, validity=timedelta(seconds=-60))
        ca = replace(FACTORY_CA, certificate=CA.pem, signer=PresignedSigner(short))

        stack = JitrStack(app, "Jitr", JitrConfiguration(cas=(ca,)))

        assert [each for each in warnings(stack) if "verification certificate is out of date" in each]
