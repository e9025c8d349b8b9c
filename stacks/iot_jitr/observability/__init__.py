"""For operators: alarms that link to the runbook, one dashboard, saved queries."""

from iot_jitr.observability.alarms import Watched
from iot_jitr.observability.construct import Observability
from iot_jitr.observability.dashboard import Panel, layout
from iot_jitr.observability.metrics import METRICS_NAMESPACE, NAMESPACE, PipelineMetrics
from iot_jitr.observability.settings import ALARMS, NO_ALARMS, AlarmName, AlarmOption, AlarmSettings

__all__ = [
    "ALARMS",
    "METRICS_NAMESPACE",
    "NAMESPACE",
    "NO_ALARMS",
    "AlarmName",
    "AlarmOption",
    "AlarmSettings",
    "Observability",
    "Panel",
    "PipelineMetrics",
    "Watched",
    "layout",
]
