"""Admission: is this device, whose certificate is in order, expected?"""

from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.function import AdmissionFunction

__all__ = ["AdmissionFunction", "AllowList"]
