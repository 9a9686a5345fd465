"""Errors of the venue and of the client library, in one line each."""

import json

from positions.model.foreign_text import REASON_LENGTH, clean


def describe_error(error: BaseException) -> str:
    """Return an error in one line: the venue's own words where it has any."""
    detail = getattr(error, "error_msg", None)
    if detail is None:
        detail = f"{type(error).__name__}: {error}"
    if isinstance(detail, dict) and len(detail) == 1 and isinstance(detail.get("error"), str):
        detail = detail["error"]
    return clean(detail if isinstance(detail, str) else _as_json(detail), REASON_LENGTH)


def _as_json(detail: object) -> str:
    return json.dumps(detail, ensure_ascii=False, separators=(",", ":"), default=str)
