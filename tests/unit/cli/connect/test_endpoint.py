from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from iot_jitr_cli.connect.endpoint import (
    Endpoint,
    account_endpoint,
    environment_endpoint,
    find_endpoint,
)
from iot_jitr_cli.console import WrongUseError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("a1-ats.iot.eu-west-1.amazonaws.com", "a1-ats.iot.eu-west-1.amazonaws.com", 8883),
        ("127.0.0.1:18883", "127.0.0.1", 18883),
        ("localhost:443", "localhost", 443),
        ("[::1]:8884", "::1", 8884),
        ("[::1]", "::1", 8883),
    ],
)
def test_host_and_port_are_read(text: str, host: str, port: int) -> None:
    endpoint = Endpoint.parse(text, Path("ca.pem"))

    assert endpoint == Endpoint(host, port, Path("ca.pem"))


@pytest.mark.parametrize("text", ["host:8883", "[::1]:8883"])
def test_an_endpoint_is_written_as_it_is_read(text: str) -> None:
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":8883",
        "host:port",
        "host:0",
        "host:65536",
        "mqtts://host",
        "host/path",
        "u@host",
        "a..b",
        "h#f",
        "h?q",
    ],
)
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(WrongUseError, match="expected HOST or HOST:PORT"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"JITR_MQTT_HOST": "", "JITR_MQTT_PORT": "1"}, None),
        ({"JITR_MQTT_HOST": "127.0.0.1"}, Endpoint("127.0.0.1")),
        ({"JITR_MQTT_HOST": "127.0.0.1", "JITR_MQTT_PORT": "1883"}, Endpoint("127.0.0.1", 1883)),
        (
            {"JITR_MQTT_HOST": "127.0.0.1", "JITR_MQTT_SERVER_NAME": "d1"},
            Endpoint("127.0.0.1", server_name="d1"),
        ),
    ],
)
def test_the_local_clouds_variables_name_the_endpoint(
    environ: dict[str, str], expected: Endpoint | None
) -> None:
    assert environment_endpoint(environ) == expected


def test_the_accounts_own_endpoint_is_its_ats_endpoint() -> None:
    iot = boto3.client("iot", region_name="eu-west-1", aws_access_key_id="id", aws_secret_access_key="secret")
    with Stubber(iot) as stubber:
        stubber.add_response(
            "describe_endpoint",
            {"endpointAddress": "a1-ats.iot.eu-west-1.amazonaws.com"},
            {"endpointType": "iot:Data-ATS"},
        )

        assert account_endpoint(iot) == Endpoint("a1-ats.iot.eu-west-1.amazonaws.com", 8883)


def test_the_domain_of_a_connect_guard_comes_before_the_accounts_own() -> None:
    iot = boto3.client("iot", region_name="eu-west-1", aws_access_key_id="id", aws_secret_access_key="secret")
    with Stubber(iot) as stubber:
        stubber.add_response(
            "describe_domain_configuration",
            {"domainName": "d1-ats.iot.eu-west-1.amazonaws.com"},
            {"domainConfigurationName": "guarded"},
        )

        found = find_endpoint(None, None, {}, lambda: iot, lambda: "guarded")

    assert found == Endpoint("d1-ats.iot.eu-west-1.amazonaws.com")
    named = find_endpoint("there", None, {}, lambda: iot, lambda: "guarded")
    assert named == Endpoint("there")


def test_a_server_name_is_shown_beside_the_host() -> None:
    assert str(Endpoint("localhost", 8883, server_name="d1")) == "localhost:8883 as d1"
