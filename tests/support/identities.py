"""CAs and devices for tests, made once where making them anew would teach nothing."""

from functools import cache

from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec


@cache
def ca(name: str = "Test CA") -> DevelopmentCa:
    """The same CA for the same name."""
    return DevelopmentCa.create(name)


@cache
def device(common_name: str = "sensor-1") -> DeviceIdentity:
    """The same device of `ca()` for the same name."""
    return ca().issue(DeviceSpec(common_name))
