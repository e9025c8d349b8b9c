"""The checklist, along the device's path: its files, the endpoint, the CA, the pipeline, the decision."""

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks import (
    access,
    account,
    decision,
    delivery,
    files,
    function,
    judgement,
    registration,
)
from iot_jitr_cli.doctor.checks.check import Check, check

__all__ = ["CHECKS", "READABLE", "Check"]

CHECKS = (
    files.check_order,
    files.check_ca_included,
    files.check_key,
    files.check_algorithms,
    files.check_validity,
    files.check_clock,
    account.check_endpoint,
    account.check_deployed,
    registration.check_ca_registered,
    files.check_signed_by_ca,
    registration.check_ca_of_deployment,
    registration.check_ca_active,
    registration.check_auto_registration,
    registration.check_template,
    registration.check_sni,
    registration.check_registered,
    delivery.check_rule,
    delivery.check_rule_target,
    delivery.check_event_source,
    function.check_function,
    function.check_function_role,
    function.check_function_errors,
    function.check_backlog,
    function.check_dead_letter,
    judgement.check_common_name,
    judgement.check_crl,
    judgement.check_revocation,
    judgement.check_admission,
    judgement.check_thing,
    decision.check_decision,
    access.check_status,
    access.check_policy_attached,
    access.check_client_id,
)
"""Every check, in order."""

READABLE = check("chain.readable", "chain file", Cause.CHAIN_UNREADABLE)(files.check_order.run)
"""Not in the list: if the chain file cannot be read, no other check is made."""
