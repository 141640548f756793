"""What can be wrong with an account: settings, token, the way to Back Market, the clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bmconsole.backmarket import orders as orders_api
from bmconsole.doctor.finding import Finding, Level
from bmconsole.domain.priority import Priority
from bmconsole.domain.text import clean
from bmconsole.errors import BmError, DiskTrouble, NotAllowed, SettingsError, Unauthorised, Unreachable
from bmconsole.hosts import host_of
from bmconsole.profile import Profile
from bmconsole.remote import Remote
from bmconsole.running.notices import lacking
from bmconsole.settings import Settings

_CLOCK_FAULT = timedelta(minutes=5)
_CLOCK_NOTE = timedelta(seconds=5)
_SET_CLOCK = "Set this machine's clock: timedatectl set-ntp true (Linux), or the date settings of the system."


class Account:
    """What the settings give; its fields are filled by `examine`."""

    def __init__(self) -> None:
        self.profile: Profile | None = None

    def examine(self, settings: Settings) -> Iterator[Finding]:
        """Look at the settings, and where the token comes from."""
        file = settings.layers.file
        try:
            self.profile = settings.profile(auth="skip")
        except SettingsError as error:
            yield broken(error)
        else:
            where = str(file.path) if file.exists else "the environment"
            yield Finding("settings", Level.OK, f"Profile “{self.profile.name}” is complete, from {where}.")
            yield from _notices(self.profile)
        try:
            token = settings.token()
        except SettingsError as error:
            yield Finding("token", Level.FAULT, error.message, error.hint or "Run “bmconsole auth set”.")
            self.profile = None
            return
        if token is None:
            yield Finding(
                "token", Level.NOTE, "There is no token.", "Run “bmconsole auth set”, or set BMCONSOLE_TOKEN."
            )
            return
        yield Finding("token", Level.OK, f"There is a token, from {token.source}.")
        if self.profile is not None:
            self.profile = settings.profile(auth="optional")

    async def ask(self, settings: Settings) -> list[Finding]:
        """Ask Back Market for one order: whether it can be reached, takes the token, and agrees about the time."""
        profile = self.profile
        if profile is None or profile.token is None:
            return [
                Finding("host", Level.NOTE, "Back Market was not asked.", "It takes sound settings and a token."),
                Finding(
                    "clock", Level.NOTE, "The server's clock was not asked.", "It takes sound settings and a token."
                ),
            ]
        host = host_of(profile.base_url)
        remote = Remote(profile, settings.paths, program="doctor", console=False)
        try:
            await orders_api.page(await remote.client(), number=1, size=1, priority=Priority.HIGH)
        except BmError as error:
            return [_refused(error, host, profile.base_url)]
        else:
            skew = datetime.now(UTC) - remote.now()
        finally:
            await remote.aclose()
        return [Finding("host", Level.OK, f"{host} answers, and takes the token."), clock(skew)]


def _notices(profile: Profile) -> Iterator[Finding]:
    for way, program in lacking(profile.notify):
        what = "Notices are not shown on the desktop" if way == "desktop" else "The command of notices cannot be run"
        install = "libnotify (Debian: libnotify-bin)" if program == "notify-send" else "it"
        yield Finding(
            "notices",
            Level.NOTE,
            f"{what}: there is no program {clean(program, limit=60)}.",
            f"Install {install}, or change notify.{way} in the settings.",
        )


def broken(error: SettingsError) -> Finding:
    """Return the finding of settings that cannot be used."""
    return Finding(
        "settings", Level.FAULT, error.message, error.hint or "Correct it there; “bmconsole config check” looks again."
    )


def clock(skew: timedelta) -> Finding:
    """Judge how far this machine's clock is ahead of the server's."""
    seconds = skew.total_seconds()
    if abs(skew) <= _CLOCK_NOTE:
        return Finding("clock", Level.OK, "This machine's clock agrees with the server's.")
    told = f"This machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's."
    return Finding("clock", Level.FAULT if abs(skew) > _CLOCK_FAULT else Level.NOTE, told, _SET_CLOCK)


def _refused(error: BmError, host: str, address: str) -> Finding:
    match error:
        case Unauthorised():
            return Finding(
                "token",
                Level.FAULT,
                f"{host} does not know the token.",
                "Make a new one in the back office and run “bmconsole auth set”; “auth status” tells where it is from.",
            )
        case NotAllowed():
            return Finding("token", Level.FAULT, error.message, error.hint or "Look at the token's rights.")
        case DiskTrouble():
            return Finding("ledger", Level.FAULT, error.message, error.hint or "Look at the state folder.")
        case Unreachable():
            way = f"Look at the network, and whether base_url is right: {address}. For a look: curl -sI {address}"
            return Finding("host", Level.FAULT, error.message, f"{error.hint} {way}" if error.hint else way)
    return Finding("host", Level.FAULT, error.message, error.hint or f"Look at base_url: {address}")
