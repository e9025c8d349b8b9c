"""What `jitr status` finds in a healthy deployment."""

from datetime import timedelta

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.status.figures import DecisionCounts
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.snapshot import CaState, CrlState, QueueCounts, Snapshot
from tests.support import doctor_account as dc
from tests.support.doctor_cloud import NOW

OUTPUTS = {**dc.OUTPUTS, "MetricsNamespace": "IotJitr", "ServiceName": "stack/Jitr"}
DEPLOYMENT = Deployment("stack", dc.REGION, OUTPUTS)
HEALTHY = Snapshot(
    stack="stack",
    region=dc.REGION,
    taken_at=NOW,
    quota_per_second=10,
    ledger=LedgerCounts(
        {"activated": 1200, "refused: expired": 3}, rows=1210, complete=True, by_ca={}, clusters=()
    ),
    decisions=DecisionCounts(24, {"Activated": 1200, "Refused": 3}, {"expired": 3}, 9.87),
    queues=QueueCounts(12, 3, 0, 95.0, 0),
    cas=(CaState("Factory", dc.CA_ID, "ACTIVE", "ENABLE", NOW, NOW + timedelta(days=900), 1200),),
    crls=(
        CrlState("Factory", 7, 1_000_000, NOW - timedelta(hours=2), NOW + timedelta(hours=5), "https://crl"),
    ),
    alarms=(),
    errors={},
    log_groups=("/log/activator",),
)
