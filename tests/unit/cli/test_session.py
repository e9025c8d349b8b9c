from pathlib import Path

import pytest
from botocore import exceptions

from iot_jitr_cli.console import CliError
from iot_jitr_cli.session import aws_session, explain


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with credentials and a region, without AWS settings of the machine."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return monkeypatch


@pytest.mark.parametrize(("region", "used"), [("eu-west-1", "eu-west-1"), (None, "us-west-2")])
def test_aws_region_wins_over_the_default_region(
    environment: pytest.MonkeyPatch, region: str | None, used: str
) -> None:
    environment.setenv("AWS_DEFAULT_REGION", "us-west-2")
    if region is None:
        environment.delenv("AWS_REGION")

    assert aws_session().region_name == used


def test_the_profile_gives_region_and_credentials(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    environment.setenv("AWS_PROFILE", "plant")
    (tmp_path / "config").write_text("[profile plant]\nregion = sa-east-1\n")
    (tmp_path / "credentials").write_text("[plant]\naws_access_key_id = p\naws_secret_access_key = s\n")

    session = aws_session()

    assert session.region_name == "sa-east-1"
    credentials = session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "p"


def test_a_client_is_made_once_and_keeps_its_connection() -> None:
    session = aws_session()

    assert session.client("iot") is session.client("iot")
    assert session.client("iot") is not aws_session().client("iot")


def test_clients_honour_the_endpoint_and_have_short_time_outs(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")

    client = aws_session().client("iot")

    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client.meta.config.connect_timeout == 5
    assert client.meta.config.read_timeout == 20


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [(["AWS_REGION"], "AWS_REGION"), (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "AWS_PROFILE")],
    ids=["region", "credentials"],
)
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, missing: list[str], remedy: str) -> None:
    for name in missing:
        environment.delenv(name)

    with pytest.raises(CliError, match=remedy):
        aws_session()


@pytest.mark.parametrize("url", ["127.0.0.1:4566", "foo", "http:/missing"])
def test_an_endpoint_that_is_no_url_is_an_error(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("AWS_ENDPOINT_URL", url)

    with pytest.raises(CliError, match=rf"{url}.*http://127.0.0.1:4566 in AWS_ENDPOINT_URL"):
        aws_session().client("iot")


def test_another_value_error_of_the_sdk_keeps_its_type(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_REGION", "no region")

    with pytest.raises(exceptions.InvalidRegionError) as raised:
        aws_session().client("iot")

    assert "AWS_REGION" in (explain(raised.value) or "")


def test_an_unknown_profile_is_explained(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(exceptions.ProfileNotFound) as raised:
        aws_session()

    assert "nobody" in (text := explain(raised.value) or "")
    assert "AWS_PROFILE" in text


def refused(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeCertificate")


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
            ["http://127.0.0.1:1/", "AWS_ENDPOINT_URL"],
        ),
        (
            refused("ExpiredToken"),
            ["DescribeCertificate: ExpiredToken: no", "log in again"],
        ),
        (refused("AccessDenied"), ["DescribeCertificate: AccessDenied: no", "permission"]),
        (refused("ThrottlingException"), ["AWS refused DescribeCertificate: ThrottlingException: no"]),
        (exceptions.ClientError({}, "Call"), ["AWS refused Call: unknown: no message"]),
        (exceptions.ReadTimeoutError(endpoint_url="http://there"), ["http://there"]),
    ],
    ids=str,
)
def test_an_error_of_the_sdk_is_explained(error: Exception, parts: list[str]) -> None:
    text = explain(error)

    assert text is not None
    assert all(part in text for part in parts)


def test_other_errors_are_not_explained() -> None:
    assert explain(RuntimeError("a defect")) is None
