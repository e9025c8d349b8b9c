from pathlib import Path

import pytest
from botocore.stub import Stubber

from iot_jitr_cli.connect.endpoint import Endpoint, find_endpoint, read_account_host
from iot_jitr_cli.console import WrongUseError
from tests.support.aws_clients import aws_client


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
def test_an_endpoint_can_be_written_and_read_back(text: str) -> None:
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
def test_an_invalid_endpoint_is_refused_with_the_expected_form(text: str) -> None:
    with pytest.raises(WrongUseError, match="expected HOST or HOST:PORT"):
        Endpoint.parse(text)


LOCAL = {"JITR_MQTT_HOST": "127.0.0.1"}
ACCOUNT = Endpoint("a1-ats.iot.eu-west-1.amazonaws.com")
GUARDED = Endpoint("d1-ats.iot.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(
    ("given", "environ", "domain", "expected"),
    [
        (None, {}, None, ACCOUNT),
        (None, {"JITR_MQTT_HOST": "", "JITR_MQTT_PORT": "1"}, None, ACCOUNT),
        (None, {}, "guarded", GUARDED),
        (None, LOCAL, "guarded", Endpoint("127.0.0.1")),
        (None, LOCAL | {"JITR_MQTT_PORT": "1883"}, None, Endpoint("127.0.0.1", 1883)),
        (None, LOCAL | {"JITR_MQTT_SERVER_NAME": "d1"}, None, Endpoint("127.0.0.1", server_name="d1")),
        ("there", LOCAL, "guarded", Endpoint("there")),
    ],
)
def test_the_endpoint_is_chosen_in_the_documented_order(
    given: str | None, environ: dict[str, str], domain: str | None, expected: Endpoint
) -> None:
    iot = aws_client("iot")
    with Stubber(iot) as stubber:
        if expected == ACCOUNT:
            stubber.add_response(
                "describe_endpoint", {"endpointAddress": ACCOUNT.host}, {"endpointType": "iot:Data-ATS"}
            )
        if expected == GUARDED:
            stubber.add_response(
                "describe_domain_configuration",
                {"domainName": f"{GUARDED.host}:443"},
                {"domainConfigurationName": "guarded"},
            )

        assert find_endpoint(given, None, environ, lambda: read_account_host(iot, domain)) == expected

        stubber.assert_no_pending_responses()


def test_a_server_name_is_shown_beside_the_host() -> None:
    assert str(Endpoint("localhost", 8883, server_name="d1")) == "localhost:8883 as d1"
