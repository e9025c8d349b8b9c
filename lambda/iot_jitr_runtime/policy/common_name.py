"""The common name as the device's identity in policies: exactly one, short, with safe characters only."""

import re

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.outcomes import Reason, RefusedError

LONGEST = 64
"""Characters a common name may have (RFC 5280 appendix A.1, ub-common-name)."""

_SAFE = re.compile(r"[A-Za-z0-9!%&()\-.,:;<=>@\[\]^_`|~]")


def is_safe(name: str) -> bool:
    """Return whether `check_common_name` accepts a common name."""
    return 1 <= len(name) <= LONGEST and all(map(_SAFE.fullmatch, name))


def check_common_name(certificate: Certificate) -> str:
    r"""Return the certificate's common name, safe as a client id, as a topic level and in a policy.

    Refused are:

    * no common name, or several: AWS uses the first one, other software may use the last;
    * more than 64 characters;
    * `*` and `?`, the wildcards of policies; `+`, `#` and `$`, with which AWS leaves a variable unreplaced
      (Developer Guide, "X.509 Certificate AWS IoT Core policy variables");
    * `/`: the policy of device `a` would also cover the topics of a device `a/b`;
    * braces, which delimit variables and placeholders;
    * quotes and backslash, white space, control characters and everything beyond ASCII, where two names
      can look the same.

    Raises:
        RefusedError: `INVALID_COMMON_NAME`.
    """
    names = certificate.common_names
    if len(names) != 1:
        found = ", ".join(repr(name[:LONGEST]) for name in names[:3]) or "none"
        raise _refused(f"found {len(names)} common names ({found}), expected exactly one")
    name = names[0]
    if not 1 <= len(name) <= LONGEST:
        raise _refused(f"the common name has {len(name)} characters, expected 1 to {LONGEST}")
    unsafe = next((character for character in name if not _SAFE.fullmatch(character)), None)
    if unsafe is not None:
        raise _refused(f"the common name {name!r} contains {unsafe!r}, unsafe in topics and policies")
    return name


def _refused(detail: str) -> RefusedError:
    return RefusedError(Reason.INVALID_COMMON_NAME, detail)
