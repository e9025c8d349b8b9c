"""Durations and time stamps in words."""

from datetime import UTC, datetime, timedelta


def in_words(span: timedelta) -> str:
    """A duration in its two largest units.

    >>> in_words(timedelta(hours=26, minutes=10)), in_words(timedelta(seconds=-90))
    ('1 d 2 h', '-1 min 30 s')
    """
    seconds = round(abs(span.total_seconds()))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return ("-" if span < timedelta(0) else "") + " ".join(parts[:2])


def format_time(milliseconds: int) -> str:
    """A time stamp of the ledger in words, from milliseconds since the epoch; 0 is unknown.

    >>> format_time(1_780_315_200_000), format_time(0)
    ('2026-06-01 12:00:00Z', 'unknown')
    """
    known = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{known:%Y-%m-%d %H:%M:%SZ}" if milliseconds else "unknown"
