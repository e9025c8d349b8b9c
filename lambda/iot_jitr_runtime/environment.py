"""Names of the environment variables that the stack sets and the functions read.

The stack and the functions share this module, so that each name is written once. None of them ever contains a
secret.
"""

LEDGER_TABLE = "JITR_LEDGER_TABLE"
"""Name of the ledger table."""

DEAD_LETTER_QUEUE_URL = "JITR_DEAD_LETTER_QUEUE_URL"
"""URL of the dead-letter queue."""

ACTIVATION_QUEUE_URL = "JITR_ACTIVATION_QUEUE_URL"
"""URL of the activation queue."""

CAS = "JITR_CAS"
"""JSON object: id of each CA certificate of this deployment → `{"revocation": "none" | "crl"}`, with
`ACCEPT_CA_CERTIFICATES` if it is configured."""

ACCEPT_CA_CERTIFICATES = "accept_ca_certificates_as_devices"
"""Member of a CA's entry in `CAS`; true where its devices may present a certificate with CA:TRUE."""

DEVICE_POLICY = "JITR_DEVICE_POLICY"
"""JSON object: `needs_common_name` (bool) and `kind`; for `shared` the policy's `name`, for `per_device` the
`prefix` of the policies' names and the `template`, a policy document with placeholders."""

ADMISSION = "JITR_ADMISSION"
"""JSON object with `kind`; for `allow_list` the `table` and the kind of `key` by which devices are listed,
for `function` the `function` (ARN) and `timeout_seconds`. Unset if every device is expected."""

THINGS = "JITR_THINGS"
"""JSON object: `thing` (see `ThingSettings`), and `lease_seconds`, how long a lease on a thing lasts.
Unset where devices have no things."""

ON_REFUSAL = "JITR_ON_REFUSAL"
"""JSON object: reason of a refusal → status that its certificate gets. Unset where all stay pending."""

OUTCOME_EVENTS = "JITR_OUTCOME_EVENTS"
"""JSON object: `bus`, the ARN of the event bus for outcome events, and `pipeline`, the pipeline's name in
these events. Unset if outcome events are off."""

ACTIVATIONS_PER_SECOND = "JITR_ACTIVATIONS_PER_SECOND"
"""The activator's share of the account's quota, in certificates a second, over all workers."""

REVOCATION_BUCKET = "JITR_REVOCATION_BUCKET"
"""Name of the bucket that holds the revocation indexes; unset where no CA has a CRL."""

REVOCATION_REFRESH_SECONDS = "JITR_REVOCATION_REFRESH_SECONDS"
"""Minimum seconds between a worker's requests for a newer revocation index; unset where no CA has a CRL."""

CRL_SOURCES = "JITR_CRL_SOURCES"
"""JSON object: id of each CA certificate that has a CRL → `url`, or `bucket` and `prefix`; with
`max_age_hours` if a CRL has a maximum age, independent of its nextUpdate."""

SWEEP = "JITR_SWEEP"
"""JSON object: `share` and `minimum` of the mass-revocation limit, `dry_run` (bool), `settle_seconds`: how
long after its publication a running activator may still use an older index, and `client_id`: the template of
the client ids whose sessions are closed after a revocation (`iot_jitr_runtime.policy.client_id`), null if no
sessions are closed."""

CONNECT_GUARD = "JITR_CONNECT_GUARD"
"""JSON object: `cas`, ids of the CA certificates that have a CRL; `on_unknown`, `admit` or `refuse`; and
`refresh_seconds`, the minimum time between the connect guard's requests for a newer index."""

PENDING_AFTER_SECONDS = "JITR_PENDING_AFTER_SECONDS"
"""How long a certificate may be pending, without a decision, before its event counts as lost."""

FULL_LISTING_SECONDS = "JITR_FULL_LISTING_SECONDS"
"""The interval at which the reconciler reads all certificates, not only the newest ones."""

ACTIVATOR_HANDLER = "iot_jitr_runtime.activator.handler.handle"
RECONCILER_HANDLER = "iot_jitr_runtime.reconciler.handler.handle"
CRL_PUBLISHER_HANDLER = "iot_jitr_runtime.publisher.handler.handle"
CONNECT_GUARD_HANDLER = "iot_jitr_runtime.connect_guard.handler.handle"
SWEEP_HANDLER = "iot_jitr_runtime.sweep.handler.handle"
ACCOUNT_LOGGING_HANDLER = "iot_jitr_runtime.account_logging.handler.handle"
CA_REGISTRATION_HANDLER = "iot_jitr_runtime.ca_registration.handler.handle"
