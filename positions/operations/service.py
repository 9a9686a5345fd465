"""What keeps a node running day and night: a systemd unit, or on macOS a launchd agent."""

import getpass
import plistlib
from pathlib import Path

from positions.model.errors import ConfigurationError
from positions.operations.settings import Settings

_UNIT = """\
# Keeps the polybracket node of {config} running day and night. To install it:
#   polybracket service --config {config} \\
#       | sudo tee /etc/systemd/system/polybracket-{mode}.service
#   sudo systemctl daemon-reload
#   sudo systemctl enable --now polybracket-{mode}
#   journalctl -u polybracket-{mode} -f
[Unit]
Description=polybracket, {mode}
Wants=network-online.target
After=network-online.target time-sync.target
# A venue out of reach is waited out for ever, half a minute between two starts. Only a node that
# dies as soon as it starts, a hundred times in an hour, is left down.
StartLimitIntervalSec=1h
StartLimitBurst=100

[Service]
Type=notify
User={user}
WorkingDirectory={home}
ExecStart={program} run --config {config}{really}
# POLYMARKET_PK and the like; only its owner may read it (chmod 600). Only live needs it.
EnvironmentFile=-{home}/.env
Environment=PYTHONUNBUFFERED=1
TimeoutStartSec=5min
Restart=on-failure
RestartSec=30
# What only its owner can mend: a bad configuration, a bad key, a wrong version.
RestartPreventExitStatus=2
# So does a node that ends itself because it stands (70) or got no memory (71) start anew.
# A node that stands still is ended at once and started anew: all that matters is on disk.
WatchdogSec=60
WatchdogSignal=SIGKILL
KillMode=mixed
KillSignal=SIGINT
TimeoutStopSec=60
UMask=0077
# A memory dump would hold the key.
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
PrivateDevices=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


class ServiceError(ConfigurationError):
    """No unit can be made of this."""

    exit_code = 2


def unit(settings: Settings, config: Path, program: Path) -> str:
    """The unit of a node that is configured by a file, run in the current working directory.

    Raises
    ------
    ServiceError
        If a path cannot stand in a unit, the program is not there, or the node would end by itself.
    """
    home = _home(settings, program)
    for path in (home, config.absolute(), program):
        if any(c.isspace() or c in "%\"'\\$" for c in str(path)):
            raise ServiceError(f"path was {path}, must be without spaces and quotes for systemd")
    return _UNIT.format(
        config=config.absolute(),
        mode=settings.mode,
        home=home,
        program=program,
        user=getpass.getuser(),
        really=" --yes-really-trade" if _asks(settings) else "",
    )


def launchd_agent(settings: Settings, config: Path, program: Path) -> str:
    """The same as the property list of a launchd agent, which starts a node that failed again.

    Raises
    ------
    ServiceError
        If the program is not there, or the node would end by itself.
    """
    home = _home(settings, program)
    label = f"polybracket-{settings.mode}"
    log = str(home / f"{label}.log")
    words = [str(program), "run", "--config", str(config.absolute())]
    agent = {
        "Label": label,
        "ProgramArguments": [*words, *(["--yes-really-trade"] if _asks(settings) else [])],
        "WorkingDirectory": str(home),
        "EnvironmentVariables": {"PYTHONUNBUFFERED": "1"},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 60,
        "ProcessType": "Interactive",  # what is of the background is slowed down
        "Umask": 0o077,
        "HardResourceLimits": {"Core": 0},
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    head, _, rest = plistlib.dumps(agent, sort_keys=False).decode().partition("\n")
    return f"{head}\n{_AGENT_NOTE.format(label=label, config=config.absolute())}{rest}"


_AGENT_NOTE = """\
<!-- Keeps a polybracket node running while you are logged in, and the Mac is awake. To install it:
polybracket service with this configuration, into Library/LaunchAgents/{label}.plist of your home
launchctl bootstrap gui/$UID ~/Library/LaunchAgents/{label}.plist
launchctl print gui/$UID/{label}
Keys are read from the .env of the working directory. Configuration: {config} -->
"""


def _home(settings: Settings, program: Path) -> Path:
    """The working directory of a service."""
    if settings.mode == "replay":
        raise ServiceError('mode was "replay", must be "paper" or "live": a replay ends by itself')
    if not program.is_file():
        raise ServiceError(f"program was {program}, must be there: make setup")
    return Path.cwd()


def _asks(settings: Settings) -> bool:
    return settings.mode == "live" and not settings.really_trade
