"""Errors of the venue and of the client library, in one line each."""

import msgspec


def describe_error(error: BaseException) -> str:
    """Return an error in one line: the venue's own words where it has any."""
    detail = getattr(error, "error_msg", None)
    if detail is None:
        return f"{type(error).__name__}: {error}"
    return detail if isinstance(detail, str) else msgspec.json.encode(detail).decode()
