"""Things: the registry's entry for a device, made or reused when its certificate is activated."""

from iot_jitr_runtime.things.registration import Things
from iot_jitr_runtime.things.retirement import Retirement
from iot_jitr_runtime.things.settings import Renewal, ThingSettings

__all__ = ["Renewal", "Retirement", "ThingSettings", "Things"]
