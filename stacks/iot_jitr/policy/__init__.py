"""The policy that activated devices get: `DevicePolicy.shared` or `DevicePolicy.per_device`."""

from iot_jitr.policy.definition import DevicePolicy, DevicePolicyError, PolicyOption
from iot_jitr.policy.resource import DevicePolicyResource

__all__ = ["DevicePolicy", "DevicePolicyError", "DevicePolicyResource", "PolicyOption"]
