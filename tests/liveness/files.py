"""Hostile files in the queue of commands: what they hold, what they are, how they are called."""

import os
import random
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from liveness.grammar import Json, moment, mutated, number, words, written
from liveness.scene import Act, Scene

from positions.storage.spool import uuid7

_EXTRAS: tuple[Json, ...] = (
    {"at": "9999-12-31T23:59:59Z"},
    {"expires_at": "0001-01-01T00:00:00Z"},
    {"created_at": "2555-01-01T00:00:00Z"},
    {"expires": "999999d"},
    {"stop_confirm": "999999d"},
    {"trail": "0.05", "trail_from": "0.60"},
    {"targets": "0.60:50% 0.70"},
    {"risk": "10"},
    {"dry_run": True},
    {"surprise": 1},
)


def command(chance: random.Random, scene: Scene) -> str:
    """A command that is almost one; never one that is about the other position."""
    victim = scene.victim
    submit = {
        "command": "submit",
        "market": victim.market.slug,
        "outcome": "Yes",
        "max_bid": "0.51",
        "size": "5",
        "stop": "0.45",
        "target": "0.70",
    }
    about = {"position_id": victim.position_id}
    good: Json = chance.choice(
        (
            submit,
            submit | chance.choice(_EXTRAS),
            submit | {"market": f"nowhere-{secrets.token_hex(4)}"},
            submit | {"at": moment(chance)},
            submit | {"market": words(chance), "outcome": words(chance)},
            {"command": "amend", "stop": number(chance)} | about,
            {"command": "amend", "target": number(chance)} | about,
            {"command": "sell", "shares": number(chance)} | about,
            {"command": "sell", "fraction": number(chance), "min_price": "0.99"} | about,
            {"command": "cancel"} | about,
            {"command": "adopt", "market": victim.market.slug, "outcome": "No"},
        )
    )
    changed = mutated(chance, good, keep=("command",)) if chance.random() < 0.7 else good
    if chance.random() < 0.05:
        changed["command"] = words(chance)
    return written(chance, changed)


def one_file(chance: random.Random) -> Act:
    """A command file whose content is wrong."""

    async def play(scene: Scene) -> None:
        content = command(scene.chance, scene).encode("utf-8", "replace")
        if scene.chance.random() < 0.05:
            content = scene.chance.randbytes(scene.chance.randint(0, 70_000))
        await scene.do(lambda: put(scene, f"{uuid7()}.json", content))

    del chance
    return Act("command file: a wrong content", play, spares_victim=False)


def flood(chance: random.Random) -> Act:
    """Many command files at once."""
    count = chance.choice((30, 100, 300, 1000))
    kind = chance.choice(("bad", "later", "nowhere", "mixed"))

    async def play(scene: Scene) -> None:
        contents = [_of_kind(scene, kind, n).encode("utf-8", "replace") for n in range(count)]

        def leave() -> None:
            for content in contents:
                put(scene, f"{uuid7()}.json", content)

        await scene.do(leave)

    return Act(f"command files: {count} {kind}", play, spares_victim=False)


def _of_kind(scene: Scene, kind: str, number_: int) -> str:
    asked = {"command": "submit", "outcome": "Yes", "max_bid": "0.5", "size": "5"}
    if kind == "bad":
        return '{"command": "submit", "market": '
    if kind == "later":
        late = asked | {"market": scene.victim.market.slug, "at": "2200-01-01T00:00:00Z"}
        return written(random.Random(1), late | {"size": str(5 + number_)})
    if kind == "nowhere":
        return written(random.Random(1), asked | {"market": f"nowhere-{number_}"})
    return command(scene.chance, scene)


def odd_file(chance: random.Random) -> Act:
    """Something in the queue's folders that is no regular file, or has no proper name."""
    kind = chance.choice(sorted(KINDS))
    named = chance.choice(("id", "id", "odd"))
    folder = chance.choice(("spool/new", "spool/new", "spool/new", "spool/tmp", "spool/bad"))

    async def play(scene: Scene) -> None:
        name = f"{uuid7()}.json" if named == "id" else _odd_name(scene.chance)
        path = os.fsencode(scene.session.state / folder) + b"/" + name.encode("utf-8", "replace")
        await scene.do(lambda: KINDS[kind](Path(os.fsdecode(path))))

    return Act(f"{folder}: a {kind}, {named} name", play)


def blocked_reply(chance: random.Random) -> Act:
    """A reply cannot be written: where it belongs there is something else."""
    kind = chance.choice(sorted(KINDS))

    async def play(scene: Scene) -> None:
        command_id = uuid7()
        folder = scene.session.state / "replies"

        def leave() -> None:
            KINDS[kind](folder / f"{command_id}.json")
            content = command(scene.chance, scene).encode("utf-8", "replace")
            put(scene, f"{command_id}.json", content)

        await scene.do(leave)

    return Act(f"replies: a {kind} in the place of one", play, spares_victim=False)


def put(scene: Scene, name: str, content: bytes) -> None:
    """Queue a file of this name, as any program may."""
    spool = scene.session.state / "spool"
    temporary = spool / "tmp" / secrets.token_hex(8)
    temporary.write_bytes(content)
    temporary.rename(spool / "new" / name)


def _odd_name(chance: random.Random) -> str:
    unique = secrets.token_hex(4)
    return chance.choice(
        (
            f"{unique}.json", f".{unique}", f"{unique}\n\x1b[31m.json", f"{unique}" + "x" * 200,
            f"{uuid7().upper()}.json", f"{uuid7()}.JSON", f"{uuid7()}.json.tmp", f"{uuid7()}",
            f"{unique}\u202e.json", f"[{unique}]", f"-rf {unique}", f"{unique} .json",
        )
    )  # fmt: skip


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:  # its name is the file's, if that fits
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            listening.bind(f"/proc/self/fd/{folder}/{path.name}"[:107])
        finally:
            os.close(folder)


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def _sparse(path: Path) -> None:
    with path.open("xb") as file:
        file.truncate(1 << 40)


def _unreadable(path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0)


KINDS: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "directory": _directory,
    "socket": _socket,
    "sparse file of a terabyte": _sparse,
    "file that may not be read": _unreadable,
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to endless zeros": lambda path: path.symlink_to("/dev/zero"),
    "link to a folder": lambda path: path.symlink_to("/"),
    "file of 8 MB": lambda path: path.write_bytes(b"x" * 8_000_000) and None,
    "empty file": lambda path: path.write_bytes(b"") and None,
}
