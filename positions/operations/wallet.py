"""The wallet's keys: from the environment, or a `.env` that only its owner can read.

They live in one struct whose text never shows them, and go from there to the clients alone.
"""

import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from msgspec import Struct

from positions.model.errors import ConfigurationError

KEY = "POLYMARKET_PK"
FUNDER = "POLYMARKET_FUNDER"
API = ("POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_PASSPHRASE")
NOTIFY = "POLYBRACKET_NOTIFY"
"""The addresses that messages are sent to, parted by spaces: they have tokens."""
RELAYER = ("RELAYER_API_KEY", "RELAYER_API_KEY_ADDRESS")
"""The key with which Polymarket's relayer redeems for a wallet that is a contract."""
TELEGRAM_TOKEN = "POLYBRACKET_TELEGRAM_TOKEN"
SECRETS = frozenset([KEY, *API, NOTIFY, RELAYER[0], TELEGRAM_TOKEN])
"""The variables that no other program may get."""
_KEY_FORM = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_KEYS_END = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""The order of the curve that keys belong to."""
_ADDRESS_FORM = re.compile(r"0x[0-9a-fA-F]{40}")


class WalletError(ConfigurationError):
    """The wallet cannot be used; says what to set, never what was set."""


class Wallet(Struct, frozen=True, repr_omit_defaults=True):
    """One wallet: its private key, who funds it, and the API's credentials."""

    key: str
    funder: str
    api_key: str
    api_secret: str
    api_passphrase: str

    def __repr__(self) -> str:
        return f"Wallet(funder={self.funder!r})"

    __str__ = __repr__

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere."""
        bare = self.key.removeprefix("0x")
        return (bare, self.api_key, self.api_secret, self.api_passphrase)


def environment(folder: Path = Path()) -> Mapping[str, str]:
    """The process' environment over the `.env` of a folder.

    Raises
    ------
    WalletError
        If others than its owner may read the `.env`, or it is not a list of variables.
    """
    path = folder / ".env"
    if not path.exists():
        return os.environ
    info = path.stat()
    if info.st_mode & 0o077:
        raise WalletError(f"{path.absolute()} can be read by others: chmod 600 it")
    if info.st_uid != os.geteuid():
        raise WalletError(f"{path.absolute()} belongs to another user: chown {os.geteuid()} it")
    return _read(path) | os.environ


def _read(path: Path) -> dict[str, str]:
    """What a `.env` sets; a line that is none is reported by its number, never by its content."""
    try:
        lines = list(parse_stream(StringIO(path.read_text(encoding="utf-8"))))
    except OSError as e:
        raise WalletError(f"{path.absolute()} cannot be read: {e.strerror}") from None
    except UnicodeDecodeError:
        raise WalletError(f"{path.absolute()} is not text: write NAME=VALUE lines") from None
    wrong = [line.original.line for line in lines if line.error]
    if wrong:
        raise WalletError(f"{path.absolute()}: line {wrong[0]} is not NAME=VALUE")
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def wallet(values: Mapping[str, str], *, needs_api: bool = True) -> Wallet:
    """The wallet that the environment describes, with the API's credentials where they are needed.

    Raises
    ------
    WalletError
        Naming the variable that is missing or malformed; its value is never shown.
    """
    needed = (KEY, FUNDER, *(API if needs_api else ()))
    missing = [name for name in needed if not values.get(name)]
    if missing:
        how = " (make them with `polybracket credentials`)" if set(missing) <= set(API) else ""
        raise WalletError(f"{', '.join(missing)} not set in the environment or the .env{how}")
    if not _KEY_FORM.fullmatch(values[KEY]):
        raise WalletError(
            f"{KEY} is not a private key: 64 hexadecimal digits, 0x before them or not"
        )
    if not 0 < int(values[KEY], 16) < _KEYS_END:
        raise WalletError(f"{KEY} cannot sign: copy the private key anew")
    if not _ADDRESS_FORM.fullmatch(values[FUNDER]):
        raise WalletError(f"{FUNDER} is not an address: 0x and 40 hexadecimal digits")
    return Wallet(
        key="0x" + values[KEY].removeprefix("0x"),
        funder=values[FUNDER],
        api_key=values.get(API[0], ""),
        api_secret=values.get(API[1], ""),
        api_passphrase=values.get(API[2], ""),
    )


def relayer_key(values: Mapping[str, str]) -> tuple[str, str]:
    """The relayer's key, and the address that it was made for.

    Raises
    ------
    WalletError
        Naming the variable that is missing or malformed; its value is never shown.
    """
    missing = [name for name in RELAYER if not values.get(name)]
    if missing:
        raise WalletError(
            f"{', '.join(missing)} not set in the environment or the .env (make a Relayer"
            " API key at polymarket.com, Settings, API Keys)"
        )
    key, address = (values[name] for name in RELAYER)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise WalletError(f"{RELAYER[0]} is not a key: copy it anew")
    if not _ADDRESS_FORM.fullmatch(address):
        raise WalletError(f"{RELAYER[1]} is not an address: 0x and 40 hexadecimal digits")
    return key, address
