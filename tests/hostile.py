"""What may be found in a command file that nobody sane wrote."""

import json
import random

from positions.storage.spool import uuid7

GOOD = {"command": "submit", "market": "m", "outcome": "Yes", "max_bid": "0.5", "size": "10"}


def content(rng: random.Random) -> bytes:
    """The content of one command file that may be anything, and is never acted on."""
    good = json.dumps(GOOD | {"id": uuid7()}).encode()
    deep = b'{"command":' * rng.randint(1, 3000)
    wrong = rng.choice(
        [
            {"max_bid": rng.choice(["0", "1", "-1", "NaN", "1e999", "0.5\n", [], {}, None, True])},
            {"size": rng.choice(["0", "-5", "9" * 40, "0x10", "\uff11\uff10", 1e400, "1 ; drop"])},
            {"command": rng.choice(["", "buy", None, 7, ["submit"]])},
            {"market": rng.choice(["", "\x00", "a" * 5000, 5, "../../etc/passwd\n"])},
            {"surprise": 1},
            {"id": "not-an-id"},
            {"at": rng.choice(["yesterday", "2026-04-13", 5, "2026-04-13T10:00:00"])},
            {"max_bid_price": "0.5"},
            {"stake": "5"},
            {"expires": rng.choice(["0s", "1y", "-2h", "999999999d"])},
        ]
    )
    return rng.choice(
        [
            rng.randbytes(rng.randint(0, 300)),
            good[: rng.randint(0, len(good) - 1)],
            deep,
            b"[]",
            b"null",
            b"\xef\xbb\xbf" + good,
            json.dumps(GOOD | wrong).encode(),
            good.replace(b'"0.5"', b'"0.5", "max_bid": 2'),
        ]
    )
