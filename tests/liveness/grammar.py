"""Generates values, texts and messages that nobody sane would send.

Everything comes from one `random.Random`, so that a seed gives the same again; each value is
new, so that what is spoiled in one message is not spoiled in the next.
"""

import copy
import json
import random
from typing import Any

Json = dict[str, Any]

_NUMBERS: tuple[Any, ...] = (
    "0", "-0", "1", "-1", "0.5", "-0.44", "2", "NaN", "nan", "sNaN", "Infinity", "-inf", "1e30",
    "1e-30", "1e-12", "1e999999", "-1e999999", "1e20000000", "1e999999999999", "9" * 40, "9" * 5000,
    "0." + "3" * 60, "0x10", "\uff11\uff10", "\u0663", "", " ", "0.5\n", "1_000", "1/2", "0,5",
    "+0.44", ".44", "44e-2", "0.3", "0.0100", "99999999999999999999", 0, -1, 1, 2**63, -(2**63) - 1,
    10**40, 0.44, 1e308, 5e-324, -0.0, float("inf"), float("nan"), True, None, [], {}, [0.5],
)  # fmt: skip
_TEXTS: tuple[Any, ...] = (
    "", " ", "\x00", "\x1b[2J\x1b[31mALARM: all is well", "line\nALARM: none", "\r\n\t", "[/x]",
    "[bold]x[/bold", "\u202ekcats", "\u200b\u200f\ufeff", "\ud800", "a" * 5000, "x" * 200_000,
    "\U0001f4a3" * 50, "'; DROP TABLE positions; --", "../../etc/passwd", "%s%n{0}{x!r}", "${HOME}",
    "null", "NaN", "true", "0x" + "ff" * 32, "0x", "{}", "[]", "\u0130\u0131\u00df", "\x7f\x9b",
    0, -1, 1.5, True, None, [], {}, ["a"], {"a": "b"},
)  # fmt: skip
_TIMES: tuple[Any, ...] = (
    "0", "-5", "nan", "Infinity", "1e30", "1e20000000", "9" * 13, "9" * 19, "9" * 40,
    "2026-04-13T10:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2555-01-01T00:00:00Z",
    "2262-04-12T00:00:00Z", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-04-13T10:00:00",
    "2030-01-01T00:00:00+99:99", "yesterday", "in 5 minutes", "999999d", "0s", "-2h", "1e9s", "",
    "\uff11s", 0, -1, 5, 1.5, 10**30, float("inf"), True, None, [], {},
)  # fmt: skip


def number(chance: random.Random) -> Any:
    """Something where a number belongs."""
    if chance.random() < 0.2:
        return f"{chance.choice(('', '-'))}{chance.random():.{chance.randint(0, 40)}f}"
    if chance.random() < 0.2:
        return f"{chance.randint(-9, 9)}e{chance.randint(-400, 400)}"
    return copy.deepcopy(chance.choice(_NUMBERS))


def words(chance: random.Random) -> Any:
    """Something where a text belongs."""
    if chance.random() < 0.2:
        return "".join(chr(chance.randint(0, 0x2FFF)) for _ in range(chance.randint(1, 40)))
    return copy.deepcopy(chance.choice(_TEXTS))


def moment(chance: random.Random) -> Any:
    """Something where a time or a duration belongs."""
    if chance.random() < 0.2:
        return f"{chance.randint(-20, 9999):04}-{chance.randint(0, 13):02}-01T00:00:00Z"
    return copy.deepcopy(chance.choice(_TIMES))


def nested(chance: random.Random) -> Any:
    """Something where nothing so deep or long belongs."""
    deep: Any = chance.choice((0, "x", None))
    for _ in range(chance.randint(1, 60)):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return chance.choice((deep, [deep] * 50, {str(n): n for n in range(500)}))


def anything(chance: random.Random) -> Any:
    """A value of any of these kinds."""
    return chance.choices((number, words, moment, nested), (5, 3, 3, 1))[0](chance)


def mutated(chance: random.Random, message: Json, keep: tuple[str, ...] = ()) -> Json:
    """The same message with one to three things wrong in it, however deep; `keep` stays."""
    changed = copy.deepcopy(message)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _spoil(chance, _inside(chance, changed), keep)
    return changed


def _inside(chance: random.Random, message: Json) -> Json:
    """The message, or an object within it."""
    objects = [v for v in message.values() if isinstance(v, dict)]
    lists = [v for v in message.values() if isinstance(v, list)]
    objects += [item for items in lists for item in items if isinstance(item, dict)]
    return chance.choice(objects) if objects and chance.random() < 0.6 else message


def _spoil(chance: random.Random, message: Json, keep: tuple[str, ...]) -> None:
    names = [name for name in message if name not in keep]
    if not names:
        return
    name = chance.choice(names)
    match chance.choices(("set", "drop", "add", "wrap", "repeat"), (8, 2, 1, 1, 1))[0]:
        case "set":
            message[name] = _fitting(chance, name)
        case "drop":
            del message[name]
        case "add":
            message[str(words(chance))] = anything(chance)
        case "wrap":
            message[name] = chance.choice(([message[name]], {"value": message[name]}))
        case "repeat" if isinstance(message[name], list):
            message[name] = message[name] * chance.choice((2, 100, 3000))


def _fitting(chance: random.Random, name: str) -> Any:
    """Wrong in the way that hurts where a field has this name; sometimes in any way."""
    if chance.random() < 0.2:
        return anything(chance)
    timed = ("time", "last_update", "expir", "confirm")
    if name == "at" or name.endswith("_at") or any(part in name for part in timed):
        return moment(chance)
    numeric = ("price", "size", "amount", "matched", "bid", "ask", "tick", "stake", "loss", "rate")
    if any(part in name for part in numeric):
        return number(chance)
    return words(chance)


def written(chance: random.Random, value: Any) -> str:
    """JSON, now and then not quite: cut short, with keys twice, or wrapped."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.7)
    text = text.encode("utf-8", "replace").decode()  # half a pair cannot be sent
    kind = chance.random()
    if kind < 0.05:
        return text[: chance.randint(0, len(text))]
    if kind < 0.09 and text.startswith("{") and len(text) > 2:
        return text[:-1] + "," + text[1:]
    if kind < 0.12:
        return f"[{text}]"
    if kind < 0.14:
        return f"[[{text},null,1,{text}]]"
    if kind < 0.15:
        return "\ufeff" + text
    return text


def junk(chance: random.Random) -> str:
    """A text that is no message at all."""
    return chance.choice(
        (
            "null", "0", "true", '""', "[]", "{}", "[1,2,3]", "[null]", "\x00\x01\x02", "PING",
            "PONG", "[" * 100_000, '{"a":' * 100_000, "x" * 1_000_000, '"' * 1001, "\ufeff",
            "NaN", "-Infinity", "1e999", "9" * 10_000, '{"event_type":null}', '{"event_type":[]}',
            '{"event_type":{"a":1}}', "<html>", " " * 500_000, '[{"event_type":"book"}]',
        )
    )  # fmt: skip
