"""The systemd unit of a host."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ci.repository import check_name

if TYPE_CHECKING:
    from ci.repository import Repository

# Memory that can be written and run is what Julia compiles into; so it is not forbidden.
UNIT = """\
[Unit]
Description=Models of this repository, host {name}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User={user}
WorkingDirectory={root}
# GITHUB_TOKEN=…, readable by root alone; not needed where Git needs no token.
EnvironmentFile=-/etc/mlops/{name}.env
Environment=PATH={programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
Environment=TMPDIR={state}/tmp
ExecStart={program} host {name}
Restart=always
RestartSec=10
# Services go on while this is restarted; after a reboot it starts them again.
KillMode=process
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={state}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def unit(repository: Repository, name: str) -> str:
    """The unit for the host ``name`` in this checkout, run by the user who asks; no secret in it.

    Raises:
        MlopsError: ``bad_name``.
    """
    check_name(name, "host")
    repository.state_dir.mkdir(exist_ok=True)
    programs = Path(sys.executable).parent
    return UNIT.format(
        name=name,
        user=getpass.getuser(),
        root=repository.root,
        state=repository.state_dir,
        programs=programs,
        program=programs / "mlops",
    )
