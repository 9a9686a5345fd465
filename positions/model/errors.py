"""Every error that has a name, in one tree, and the one place that puts an error into words.

A branch says who must act. A command that ends with an error prints one line and exits with the
number of the first column; a node with that of the second, where 2 means that starting it again
changes nothing, and a supervisor does not (`positions/operations/service.py`).

    PolybracketError                                                        command  node
    ├── InputError          who typed it, or wrote the file                     2      2
    │   ├── Malformed           a field of a command
    │   ├── UnreadableRequests  a file of requests
    │   ├── SeveralMarkets      the name of an event of several markets
    │   └── BadGrid             what a sweep is to vary
    ├── ConfigurationError  the owner: settings, keys, permissions, packages    1      2
    │   ├── SettingsError       the configuration file                          2      2
    │   ├── ServiceError        what a service is to run                        2      2
    │   ├── WalletError         the keys, or a .env
    │   ├── EnvFileError        what is to be written into a .env
    │   ├── NotPrivate          who may write the state folder
    │   └── UnknownAdapter      the installed adapter
    ├── RecordError         the owner: the state folder, or another process     1      1
    │   ├── StoreError          the record
    │   ├── AlreadyRunning      another node, or recorder, holds it
    │   ├── NoSnapshot          no snapshot, or not in it
    │   ├── NoSession           nothing to backtest
    │   ├── SpoolError          a file of the spool
    │   ├── InUse               another process redeems
    │   └── RecordingError      recorded market data
    ├── VenueFailure        nobody: it is asked again, later                    1      1
    │   ├── RunModeError        a node cannot trade there now
    │   ├── NotStarted          a node whose clients do not connect
    │   ├── WalletUnreadable    what the wallet has
    │   ├── DataApiError        what the Data API tells
    │   ├── HistoryError        what changed hands, or at which prices
    │   ├── RedemptionError     winnings that are not cash yet
    │   │   └── Reverted            a contract that refuses
    │   ├── GammaError          the description of markets
    │   ├── UnknownProtocol     a market of a version that is not known
    │   ├── VenueUnreachable    a market
    │   ├── ListTooLong         a list without an end
    │   ├── Refused             the API's credentials
    │   ├── Unreadable          a message
    │   ├── ImpossibleTick      a tick
    │   └── Contradiction       a resolution
    └── Bug                 who maintains this program                          1      1
        ├── Unsound             a value of a position that cannot be
        └── Breach              a rule that holds for every position

Beside the tree stand two errors that a library must take for its own: `VenueError` of
`venues/polymarket/api/clob.py` and `AnswerTooLarge` of `venues/polymarket/api/bounded_http.py`; and
two that never leave an import, which counts what it leaves out: `BadRow` and `MissingField`. Any
other error is one that nobody foresaw: its line names the file that has the details.
"""

from pathlib import Path


class PolybracketError(Exception):
    """The base of all; its text is one line, or several, each for people to read."""

    exit_code = 1
    """What a command exits with."""
    node_exit_code = 1
    """What a node exits with."""


class InputError(PolybracketError):
    """What was asked cannot be understood, or contradicts itself: field, value, rule."""

    exit_code = node_exit_code = 2


class ConfigurationError(PolybracketError):
    """The installation, the settings or the keys must be changed by their owner."""

    node_exit_code = 2


class RecordError(PolybracketError):
    """What is on disk cannot be used now."""


class VenueFailure(PolybracketError):
    """The venue does not answer, or not so that it can be understood."""


class WalletUnreadable(VenueFailure):
    """The venue does not say what the wallet has."""


class Bug(PolybracketError):
    """Something holds that must never hold."""


def in_words(error: BaseException, details: Path | None = None) -> str:
    """An error as people read it; `details` is the file that has an unforeseen one's traceback."""
    if isinstance(error, PolybracketError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    where = "" if details is None else f"; details in {details}"
    return f"unexpected {type(error).__name__}: {error}{where}"
