"""Where the runbook is, and its sections: each alarm's description links to the one that says what to do."""

from enum import StrEnum


class Section(StrEnum):
    """A section of `docs/runbook.md`, by the anchor of its heading. A test holds that each exists."""

    DEAD_LETTERS = "dead-letters"
    OLDEST_MESSAGE = "oldest-message"
    DEFERRED = "deferred"
    REFUSED = "refused"
    CRL_STALE = "crl-stale"
    CRL_UNUSABLE = "crl-unusable"
    REVOCATION_LIMIT_TRIPPED = "revocation-limit-tripped"
    SESSIONS_NOT_CLOSED = "sessions-not-closed"
    CA_EXPIRY = "ca-expiry"
    FUNCTION_ERRORS = "function-errors"
    THROTTLES = "throttles"
    PENDING = "pending"
    EVENTS_UNPUBLISHED = "events-unpublished"
    REGISTRATION_FAILURES = "registration-failures"

    def link(self, url: str) -> str:
        """The section's address in the runbook at `url`."""
        return f"{url}#{self.value}"
