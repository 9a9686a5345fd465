"""The systemd unit that keeps a node running day and night."""

import getpass
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
    if settings.mode == "replay":
        raise ServiceError('mode was "replay", must be "paper" or "live": a replay ends by itself')
    if not program.is_file():
        raise ServiceError(f"program was {program}, must be there: make setup")
    home = Path.cwd()
    for path in (home, config.absolute(), program):
        if any(c.isspace() or c in "%\"'\\$" for c in str(path)):
            raise ServiceError(f"path was {path}, must be without spaces and quotes for systemd")
    asks = settings.mode == "live" and not settings.really_trade
    return _UNIT.format(
        config=config.absolute(),
        mode=settings.mode,
        home=home,
        program=program,
        user=getpass.getuser(),
        really=" --yes-really-trade" if asks else "",
    )
