"""The data plane's client has `delete_connection` with any botocore: that of today and one before 1.40.6."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ParamValidationError
from botocore.loaders import create_loader

from iot_jitr_runtime import iot_data
from iot_jitr_runtime.iot_data import SERVICE_MODELS, iot_data_client
from tests.support.connections import Connections

ADDED = ("DeleteConnection", "GetConnection", "ListSubscriptions", "SendDirectMessage")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    # The tests share a loader, which would keep what one of them has read.
    monkeypatch.setattr(botocore.session, "create_loader", create_loader)


@pytest.fixture
def old_botocore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: None) -> None:
    """Give botocore the service model of a version without the calls on connections."""
    del environment
    loader = botocore.session.Session().get_component("data_loader")
    model = deepcopy(loader.load_service_model("iot-data", "service-2"))
    model["operations"] = {name: each for name, each in model["operations"].items() if name not in ADDED}
    used = json.dumps(model["operations"])
    for shape in ("ClientId", "DeleteConnectionRequest", "CleanSession", "PreventWillMessage"):
        assert f'"{shape}"' not in used
        del model["shapes"][shape]
    del model["shapes"]["ForbiddenException"]
    folder = tmp_path / "iot-data" / "2015-05-28"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(model))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))


@pytest.mark.usefixtures("old_botocore")
def test_the_old_botocore_does_not_have_the_call() -> None:
    client: Any = botocore.session.Session().create_client("iot-data")

    assert not hasattr(client, "delete_connection")


@pytest.mark.parametrize("botocore_of", ["environment", "old_botocore"])
def test_the_request_and_its_errors_are_those_of_the_service(
    request: pytest.FixtureRequest, botocore_of: str
) -> None:
    request.getfixturevalue(botocore_of)
    client = iot_data_client()
    connections = Connections(client=client)
    connections.connected.add("a b/c")

    client.delete_connection(clientId="a b/c", cleanSession=True)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_connection(clientId="gone")
    with pytest.raises(ParamValidationError):
        client.delete_connection()  # type: ignore[call-arg]

    first, _ = connections.requests
    assert (first.method, first.url) == (
        "DELETE",
        "https://data-ats.iot.eu-central-1.amazonaws.com/connections/a%20b%2Fc?cleanSession=true",
    )


@pytest.mark.usefixtures("environment")
def test_the_added_model_is_the_same_as_that_of_a_newer_botocore() -> None:
    """Otherwise the addition would change a botocore that already has the call."""
    [path] = SERVICE_MODELS.rglob("*.json")
    added = json.loads(path.read_text())["merge"]
    own = botocore.session.Session().get_component("data_loader").load_service_model("iot-data", "service-2")

    def without_text(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_text(each) for key, each in value.items() if key != "documentation"}
        return [without_text(each) for each in value] if isinstance(value, list) else value

    for kind in ("operations", "shapes"):
        for name, each in added[kind].items():
            assert each == without_text(own[kind][name]), name
    assert path.parent == iot_data.SERVICE_MODELS / "iot-data" / "2015-05-28"
