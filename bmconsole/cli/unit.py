"""How the system starts `bmconsole run`: a systemd unit that may touch nothing but our folders, or lines of a crontab.

The options are those of systemd.exec(5); what they take away is what the program never needs.
"""

import getpass
import os
import shlex
import shutil
import sys
from pathlib import Path

from bmconsole.paths import Paths, private_folder

_UNIT = """\
# {where}
# sudo systemctl daemon-reload && sudo systemctl enable --now {name}
[Unit]
Description=bmconsole: background work for profile {profile}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User={user}
{environment}ExecStart={command}
# What is in flight ends first: the request, and writes with their read-back
KillSignal=SIGTERM
TimeoutStopSec=90
Restart=on-failure
RestartSec=5
# Wrong settings and a refused token do not mend themselves
RestartPreventExitStatus=2 3

UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
{writable}
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_CRON = """\
# crontab -e: the first line starts the background work with the machine. Where no process may stay, take the second
# instead, which pulls what changed every quarter of an hour and leaves.
@reboot {environment}{command} 2>/dev/null
# */15 * * * * {environment}{sync} 2>/dev/null
"""


def unit(profile: str, paths: Paths) -> str:
    """Return the unit of `profile`; the folders that it may write are made, since a unit cannot start without them."""
    folders = [private_folder(folder) for folder in (paths.config, paths.data, paths.state, paths.logs)]
    name = f"bmconsole-{profile}.service"
    writable = "\n".join(f"ReadWritePaths={_quoted(str(folder))}" for folder in dict.fromkeys(folders))
    environment = "".join(f"Environment={_quoted(text)}\n" for text in _environment())
    return _UNIT.format(
        where=f"/etc/systemd/system/{name}",
        name=name,
        profile=profile,
        user=getpass.getuser(),
        environment=environment,
        command=" ".join(map(_quoted, _command(profile, "run"))),
        writable=writable,
    )


def cron(profile: str) -> str:
    """Return lines for a crontab. What happens is in the log files anyhow, so nothing is mailed."""
    environment = "".join(f"{shlex.quote(text)} " for text in _environment())
    lines = _CRON.format(
        environment=f"env {environment}" if environment else "",
        command=shlex.join(_command(profile, "run")),
        sync=shlex.join(_command(profile, "sync")),
    )
    # An unescaped % ends a command of a crontab
    return lines.replace("%", r"\%")


def _command(profile: str, what: str) -> list[str]:
    called = Path(sys.argv[0])
    found = shutil.which(str(called)) if called.name == "bmconsole" else None
    program = [str(Path(found).absolute())] if found else [sys.executable, "-m", "bmconsole"]
    return [*program, "--profile", profile, what]


def _environment() -> list[str]:
    home = os.environ.get("BMCONSOLE_HOME", "").strip()
    return [f"BMCONSOLE_HOME={Path(home).expanduser().absolute()}"] if home else []


def _quoted(text: str) -> str:
    """Return a word of a unit: in quotes where it needs them, with what systemd would replace doubled."""
    text = text.replace("%", "%%").replace("$", "$$")
    if not any(char.isspace() or char in "\"'\\;" for char in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
