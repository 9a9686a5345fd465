"""The settings of a node, from its TOML file: decoded into frozen structs, every rule checked.

Numbers are read as Decimal, unknown keys are refused, and a missing file is an error, never a
default. Secrets do not stand in the file: they come from the environment alone.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from positions.commands import strict
from positions.commands.fields import duration, time
from positions.commands.pre_trade_checks import Action, Gate
from positions.commands.signals import PriceCross
from positions.commands.validation import Limits
from positions.model.durations import SECOND
from positions.model.errors import ConfigurationError
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.operations.setting_rules import explained

ENTRY_LASTS = 900 * SECOND
"""How long an entry of a node that must not outlive it stays on the book without being renewed."""


class SettingsError(ConfigurationError):
    """The configuration cannot be used: its owner must change it."""

    exit_code = 2


_LATENCY = re.compile(r"([0-9]{1,6})(ms|s)")
_BUILDER = re.compile(r"0x[0-9a-fA-F]{64}")
_VENUE = "polymarket.com"
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_NAMES = {"begin": "from", "end": "to"}


def _name_in_file(name: str) -> str:
    """The name in the file: `from` cannot be a name in Python."""
    return _NAMES.get(name, name)


class ReplaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a replay's data is and how fast it runs.

    Parameters
    ----------
    speed
        Market seconds per second (a fraction is written as text), or "max".
    """

    catalog: str = "catalog/sample"
    speed: int | str = 1

    def __post_init__(self) -> None:
        rule = 'must be a number above 0 and at most 100000, or "max"'
        try:
            fits = self.pace is None or 0 < self.pace <= 100_000
        except ArithmeticError:
            fits = False
        if not fits:
            raise ValueError(f"speed was {self.speed}, {rule}")

    @property
    def pace(self) -> Decimal | None:
        """Market seconds per second; None = as fast as possible."""
        return None if self.speed == "max" else Decimal(self.speed)


class BacktestSettings(Struct, frozen=True, forbid_unknown_fields=True, rename=_name_in_file):
    """What is tried on which data.

    Parameters
    ----------
    catalog
        Folder of the recorded data.
    positions
        The file of the commands to try: TOML, CSV or JSON lines.
    begin, end
        The stretch of the recording (`from` and `to` in the file), as times with their offset;
        empty = all of it.
    latency
        How long orders take to the venue, such as "250ms" or "1s"; "0ms" as in a replay. For how
        long the venue itself holds what takes comes on top.
    """

    catalog: str = "catalog/sample"
    positions: str = ""
    begin: str = ""
    end: str = ""
    latency: str = "0ms"

    def __post_init__(self) -> None:
        begin, end, _ = self.begin_ns, self.end_ns, self.latency_ns
        if begin is not None and end is not None and begin >= end:
            raise ValueError(f"from was {self.begin}, must be before to {self.end}")

    @property
    def begin_ns(self) -> int | None:
        """The first moment; None = that of the recording."""
        return time("from", self.begin) if self.begin else None

    @property
    def end_ns(self) -> int | None:
        """The last moment; None = that of the recording."""
        return time("to", self.end) if self.end else None

    @property
    def latency_ns(self) -> int:
        """How long orders take to the venue, in nanoseconds."""
        if match := _LATENCY.fullmatch(self.latency):
            return int(match[1]) * (SECOND if match[2] == "s" else SECOND // 1000)
        raise ValueError(f"latency was {self.latency!r}, must be a span such as 250ms or 1s")


class RecordSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node keeps of the market data that it trades on.

    Parameters
    ----------
    catalog
        The folder of the recording; empty = nothing is recorded.
    """

    catalog: str = ""


class AccountSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A new simulated account: `cash` in USDC, `shares` by token id, which `adopt` can protect."""

    cash: Decimal = Decimal(1000)
    shares: dict[str, Decimal] = {}

    def __post_init__(self) -> None:
        for name, value in {"cash": self.cash, **self.shares}.items():
            _positive(name, value)


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner allows, in USDC.

    Parameters
    ----------
    default_stake
        Spent on a position that states neither size nor stake.
    max_stake_per_position
        The most that size x max bid of one position may be.
    max_total_stake
        The most that all open positions may have at stake together.
    """

    default_stake: Decimal = Decimal(50)
    max_stake_per_position: Decimal = Decimal(500)
    max_total_stake: Decimal = Decimal(2000)

    def __post_init__(self) -> None:
        _positive("default_stake", self.default_stake)
        _positive("max_stake_per_position", self.max_stake_per_position)
        _positive("max_total_stake", self.max_total_stake)
        if self.default_stake > self.max_stake_per_position:
            rule = f"must be at most max_stake_per_position {self.max_stake_per_position}"
            raise ValueError(f"default_stake was {self.default_stake}, {rule}")


class ExitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How shares are sold.

    Parameters
    ----------
    slip_ticks
        How far under the bid an exit's limit is set, in ticks; widens with each attempt.
    sale_seconds
        How long a cash-out by hand is tried before the rest is protected again.
    floor_price
        No exit sells below it, in USDC per share, unless the position states its own; 0 = none.
    """

    slip_ticks: int = 3
    sale_seconds: int = 60
    floor_price: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not 0 <= self.slip_ticks <= 100:
            raise ValueError(f"slip_ticks was {self.slip_ticks}, must be from 0 to 100")
        if not 1 <= self.sale_seconds <= 86_400:
            raise ValueError(f"sale_seconds was {self.sale_seconds}, must be from 1 to 86400")
        if not (self.floor_price.is_finite() and 0 <= self.floor_price < 1):
            raise ValueError(f"floor_price was {self.floor_price}, must be from 0 to below 1")


class GateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a market is asked before a position is opened; "off", "warn" or "refuse" each.

    Parameters
    ----------
    depth
        The bids at the stop or better would take less than the whole size.
    spread
        Ask less bid is wider than `spread_max`, in USDC per share.
    end
        The market ends within `end_minutes`.
    """

    depth: Action = Action.WARN
    spread: Action = Action.WARN
    spread_max: Decimal = Decimal("0.10")
    end: Action = Action.WARN
    end_minutes: int = 10

    def __post_init__(self) -> None:
        if not (self.spread_max.is_finite() and 0 < self.spread_max < 1):
            raise ValueError(f"spread_max was {self.spread_max}, must be above 0 and below 1")
        if not 0 <= self.end_minutes <= 525_600:
            raise ValueError(f"end_minutes was {self.end_minutes}, must be from 0 to 525600")


NotifyEvent = Literal["filled", "target", "stop", "closed", "alarm", "node"]


class AlarmSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is notified when something goes wrong.

    Parameters
    ----------
    command
        A program and its arguments, run with the alarm's text as the last argument; empty = none.
    """

    command: tuple[str, ...] = ()


class NotifySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What messages are sent of, to the addresses of POLYBRACKET_NOTIFY in the environment.

    Parameters
    ----------
    events
        Any of filled, target, stop, closed, alarm and node; none = no messages.
    """

    events: tuple[NotifyEvent, ...] = ()


class TelegramSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the Telegram bot answers, and what may be asked of it.

    Parameters
    ----------
    chats
        The ids of the chats that it answers; others get no answer.
    may_trade
        Whether it takes commands; without it, it only reads.
    address
        Where the Bot API is, such as that of a server of one's own.
    """

    chats: tuple[int, ...] = ()
    may_trade: bool = False
    address: str = "https://api.telegram.org"

    def __post_init__(self) -> None:
        if not self.address.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError(f"address was {self.address}, must begin with https://")


class VenueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Polymarket is.

    Parameters
    ----------
    clob
        The REST address of the order book, such as "https://clob.polymarket.com".
    websocket
        The address that the channels' names are put behind.
    gamma
        The REST address of the markets.
    data
        The REST address of what wallets hold.
    geoblock
        The address that tells whether orders are taken from this place.
    rpc
        The address of a node of the chain, which tells what is redeemed.
    relayer
        The address of what redeems for wallets that are contracts.
    """

    clob: str = "https://clob.polymarket.com"
    websocket: str = "wss://ws-subscriptions-clob.polymarket.com/ws/"
    gamma: str = "https://gamma-api.polymarket.com"
    data: str = "https://data-api.polymarket.com"
    geoblock: str = "https://polymarket.com/api/geoblock"
    rpc: str = "https://polygon.drpc.org"
    relayer: str = "https://relayer-v2.polymarket.com"

    def __post_init__(self) -> None:
        for name in ("clob", "gamma", "data", "geoblock", "rpc", "relayer"):
            _address(name, getattr(self, name), "https")
        _address("websocket", self.websocket, "wss")
        if not self.websocket.endswith("/"):
            raise ValueError(f"websocket was {self.websocket}, must end with /")


class SafetySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What holds when the node or its prices stop.

    Parameters
    ----------
    dead_man
        What the venue takes back when the node is dead: "entries" (each expires within a quarter of
        an hour and is renewed), "all" orders of the wallet, or nothing ("off").
    stale_seconds
        How long an outcome's prices may be silent before the book is read to check them.
    restart_when_stuck
        How long the event loop may stand, such as "60s", before the process ends with code 70, for
        whatever supervises it to start it anew; "off" = for ever.
    """

    dead_man: Literal["entries", "all", "off"] = "entries"
    stale_seconds: int = 10
    restart_when_stuck: str = "off"

    def __post_init__(self) -> None:
        if not 1 <= self.stale_seconds <= 600:
            raise ValueError(f"stale_seconds was {self.stale_seconds}, must be from 1 to 600")
        stuck = self.restart_seconds
        if stuck is not None and not 10 <= stuck <= 3600:
            rule = "must be off, or a span from 10s to 1h"
            raise ValueError(f"restart_when_stuck was {self.restart_when_stuck!r}, {rule}")

    @property
    def restart_seconds(self) -> int | None:
        """How long the event loop may stand before the process ends; None = for ever."""
        if self.restart_when_stuck == "off":
            return None
        return duration("restart_when_stuck", self.restart_when_stuck) // SECOND


class WalletSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The kind of wallet; its keys come from the environment alone.

    Parameters
    ----------
    signature_type
        0 a wallet of one's own, 1 an account by e-mail, 2 a browser wallet's proxy, 3 a deposit
        wallet.
    builder_code
        Who is paid a fee for each order on top of the venue's: 32 bytes in hexadecimal, or "".
    """

    signature_type: int = 0
    builder_code: str = ""

    def __post_init__(self) -> None:
        if self.signature_type not in (0, 1, 2, 3):
            raise ValueError(f"signature_type was {self.signature_type}, must be 0, 1, 2 or 3")
        if self.builder_code and not _BUILDER.fullmatch(self.builder_code):
            rule = "must be empty, or 0x and 64 hexadecimal digits"
            raise ValueError(f"builder_code was {self.builder_code!r}, {rule}")


class RedeemSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether winnings are turned into cash.

    Parameters
    ----------
    auto
        A live node has them redeemed by a process of their own.
    """

    auto: bool = False


class WebSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the page and the HTTP interface may do.

    Parameters
    ----------
    may_trade
        Whether anything may be asked from there of a node that trades with money.
    port
        Where they are served, on this machine alone.
    """

    may_trade: bool = False
    port: int = 8080

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65_535:
            raise ValueError(f"port was {self.port}, must be from 1 to 65535")


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """One node's settings.

    Parameters
    ----------
    mode
        `replay` plays recorded data; `paper` trades on live data with simulated money; `live`
        trades with money. Only `live` needs a key. `backtest` is no node: `backtest.py` runs it.
    state
        The folder of the node's record, relative to the working directory; a backtest has none.
    really_trade
        Whether a `live` node may start without a flag on the command line.
    """

    mode: Literal["replay", "paper", "live", "backtest"]
    state: str = ""
    really_trade: bool = False
    venue: VenueSettings = field(default_factory=VenueSettings)
    wallet: WalletSettings = field(default_factory=WalletSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    backtest: BacktestSettings = field(default_factory=BacktestSettings)
    record: RecordSettings = field(default_factory=RecordSettings)
    account: AccountSettings = field(default_factory=AccountSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    exits: ExitSettings = field(default_factory=ExitSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    telegram: TelegramSettings = field(default_factory=TelegramSettings)
    web: WebSettings = field(default_factory=WebSettings)
    redeem: RedeemSettings = field(default_factory=RedeemSettings)
    signals: tuple[PriceCross, ...] = ()

    def __post_init__(self) -> None:
        if self.mode != "backtest" and not self.state.strip():
            raise ValueError("state was empty, must be a folder")
        names = [signal.name for signal in self.signals]
        if len(set(names)) < len(names):
            raise ValueError(f"signals were {', '.join(names)}, must each have a name of its own")

    @property
    def state_dir(self) -> Path:
        """The folder of the node's record."""
        return Path(self.state)

    def rules(self) -> Limits:
        """The limits in the form in which requests are checked."""
        return Limits(
            default_stake=self.limits.default_stake,
            max_stake_per_position=self.limits.max_stake_per_position,
            max_total_stake=self.limits.max_total_stake,
            slip_ticks=self.exits.slip_ticks,
            sale_lasts=self.exits.sale_seconds * SECOND,
            floor_price=self.exits.floor_price,
            gate=Gate(
                depth=self.gate.depth,
                spread=self.gate.spread,
                spread_max=self.gate.spread_max,
                end=self.gate.end,
                end_within=self.gate.end_minutes * 60 * SECOND,
            ),
            entry_lasts=ENTRY_LASTS if self.safety.dead_man == "entries" else None,
        )


def _address(name: str, value: str, scheme: str) -> None:
    """Check an address of the venue by its parts; what is signed goes there.

    Without encryption only this machine itself is reached, by its number: a name may mean another.
    """
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{name} was {value!r}, must be an address") from None
    is_local = parts.scheme == scheme.removesuffix("s") and host in _LOOPBACK and port is not None
    if parts.scheme != scheme and not is_local:
        plain = f"{scheme.removesuffix('s')}://127.0.0.1:"
        raise ValueError(f"{name} was {value!r}, must begin with {scheme}:// or {plain}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} names a user, must not")  # not its value: it may be a password
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError(f"{name} was {value!r}, must have neither query nor fragment")
    if not _is_plain(value):
        raise ValueError(f"{name} was {value!r}, must be of printable ASCII without spaces or \\")
    if not is_local and (not _HOST.fullmatch(host) or _is_impostor(host)):
        rule = f"must be a host of {_VENUE}, or another without that name in it"
        raise ValueError(f"{name} was {value!r}, {rule}")
    if port == 0:
        raise ValueError(f"{name} was {value!r}, must have a port from 1 to 65535, or none")


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and not set(value) & set(" \\%")


def _is_impostor(host: str) -> bool:
    """Whether a host has the venue's name in it without being the venue's."""
    return _VENUE.partition(".")[0] in host and host != _VENUE and not host.endswith(f".{_VENUE}")


def _positive(name: str, value: Decimal) -> None:
    if not (value.is_finite() and 0 < value < Decimal(10) ** 9):
        raise ValueError(f"{name} was {value}, must be above 0 and below 1000000000 USDC")


def load(
    path: Path,
    *,
    catalog: str | None = None,
    speed: str | None = None,
    state: str | None = None,
    really_trade: bool = False,
    backtest: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in a file, with what the command line overrides.

    Raises
    ------
    SettingsError
        With the file and the field, its value and its rule.
    """
    data = strict.toml_file(path, SettingsError)
    try:
        settings = msgspec.convert(data, Settings)
        overrides = {"catalog": catalog, "speed": speed}
        replay = replace(settings.replay, **{n: v for n, v in overrides.items() if v is not None})
        return replace(
            settings,
            replay=replay,
            backtest=replace(settings.backtest, **(backtest or {})),
            state=state or settings.state,
            really_trade=really_trade or settings.really_trade,
        )
    except (msgspec.ValidationError, ValueError) as e:
        text = clean(explained(e, Settings, data), REASON_LENGTH)
        raise SettingsError(f"{path}: {text}") from None
