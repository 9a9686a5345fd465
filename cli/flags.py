"""What was typed, in messages: the option in place of the field that it fills. Pure."""

import re

_OPTIONS = {
    "max_bid_price": "--max-bid",
    "sell_price": "--target",
    "targets": "--target",
    "stop_loss_price": "--stop",
    "floor_price": "--floor",
}
_LONG = (
    "trail_from break_even_after break_even_at break_even_offset stop_confirm stop_hard after_floor"
    " exit_at exit_before_end keep_if_stop_trades if_taken_off post_only entry_price min_price"
    " dry_run"
)
_SHORT = "size stake risk shares fraction trail trigger name expires at price wait"
_FIELD = re.compile(rf"\b(?:{'|'.join((*_OPTIONS, *_LONG.split()))})\b")
_SAID = re.compile(rf"(?<![\w-])({'|'.join(_SHORT.split())})(?= was )")
_TOGETHER = re.compile(rf"(?<=together with )({'|'.join(_SHORT.split())})\b")


def as_typed(message: str) -> str:
    """The message with the options that a person types in place of fields."""
    text = _FIELD.sub(lambda m: _OPTIONS.get(m[0], "--" + m[0].replace("_", "-")), message)
    for pattern in (_SAID, _TOGETHER):
        text = pattern.sub(r"--\1", text)
    return text
