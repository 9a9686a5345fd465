"""Text that others wrote, made safe to show, to log and to hand to a program.

Names of markets and outcomes, the venue's reasons, the content of a record that somebody else may
have written: any of it may move a terminal's cursor, break a line, turn its direction, or be
endless. It is cleaned where it enters, and whatever is written for people is cleaned once more
where it leaves; to clean twice changes nothing.
"""

import unicodedata

NAME_LENGTH = 300
"""The most characters of a name: as many as a request may name a market with."""
REASON_LENGTH = 1_000
"""The most characters of a sentence of the venue's."""
LINE_LENGTH = 20_000
"""The most characters of a line for people: it holds names, reasons and numbers of our own."""
_MARKS = 3
"""So many marks may stand over one letter; writing systems need no more."""
_LOOKED_AT = 8
"""So many times what may stay is looked at; the rest of an endless text is not."""
_SHIFT = 0x10000


def clean(text: object, most: int = NAME_LENGTH) -> str:
    r"""The text on one line of printable characters, at most so many.

    What is not printable (controls, line ends, marks of direction, of no width, halves of a pair)
    is written as its escape, such as `\x1b` or `\u202e`; what is too long ends with an ellipsis.
    """
    line = str(text)[: most * _LOOKED_AT]
    if not line.isascii():
        line = _without_towers(line)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else _escaped(c) for c in line)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def json_safe(text: str, *, in_ascii: bool = False) -> str:
    """JSON with the same content, whose unprintable characters are written as JSON's escapes."""
    if text.isprintable() and (text.isascii() or not in_ascii):
        return text
    shown = (c.isprintable() and (c.isascii() or not in_ascii) for c in text)
    return "".join(c if is_shown else _in_json(c) for c, is_shown in zip(text, shown, strict=True))


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _SHIFT else f"\\U{code:08x}"


def _in_json(character: str) -> str:
    code = ord(character)
    if code < _SHIFT:
        return f"\\u{code:04x}"
    high, low = divmod(code - _SHIFT, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _without_towers(text: str) -> str:
    """The text with no more marks over a letter than any writing has."""
    kept: list[str] = []
    marks = 0
    for c in text:
        marks = marks + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(c)
    return "".join(kept)
