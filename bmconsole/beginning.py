"""The first settings of a profile: each answer checked, by itself and at Back Market, before anything is written."""

import asyncio
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from bmconsole.credentials import checked, store_token
from bmconsole.domain.markets import MARKETS
from bmconsole.domain.text import clean
from bmconsole.errors import SettingsError, Unreachable, UsageError
from bmconsole.hosts import check_base_url, host_of, is_loopback
from bmconsole.paths import Paths, write_private
from bmconsole.profile import SANDBOX_USER_AGENT, Profile
from bmconsole.settings import Layers, Settings
from bmconsole.settings_file import SettingsFile, nested, read_settings_file

REGIONS = {"EU": "Europe", "NA": "North America", "AP": "Asia and the Pacific"}
PATIENCE = 6.0
"""Seconds after which an address that does not answer is told; a request alone would be tried again for longer."""
_HOSTS = {".fr": "EU", ".co.uk": "EU", ".com": "NA", ".co.jp": "AP"}

TEMPLATE = """\
[profile.{name}]
base_url = {base_url}
markets = {markets}          # of one region; the first is the main one
user_agent = {user_agent}
# access = "operator"         # viewer, operator or admin; environment and flags can only lower it
# token_command = ""          # prints the token; otherwise: bmconsole auth set
# timezone = "Europe/Paris"   # for display; the machine's by default
# privacy_days = 90           # buyer data goes this long after an order is final
# vat = "margin 20"           # none, regular 20, margin 20

# colour = "orange"           # marks this shop: red, orange, yellow, green, cyan, blue or magenta

# [profile.{name}.notify]     # what you are told about, and how
# events = "late,sync-broken" # also new-order, box-lost, guard, write-unfinished; all by default
# bell = true
# desktop = true
# command = "tell-me"         # gets one JSON object on standard input
# per_minute = 6              # what is more is gathered into the next one

# [profile.{name}.schedule]
# orders = "15m"
# listings = "1h"
# backbox = "1h"

# [profile.{name}.repricing]
# mode = "suggest"            # off, observe, suggest, auto
"""


@dataclass(frozen=True)
class Answers:
    """What was answered so far, each as it was checked. The token stays out of its repr."""

    name: str = "default"
    base_url: str = ""
    user_agent: str = ""
    token: str = ""
    markets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Answers({self.name!r}, {self.base_url!r}, {self.markets!r})"

    @property
    def local(self) -> bool:
        """Whether it is a sandbox on this machine, which asks nobody who they are."""
        return bool(self.base_url) and is_loopback(host_of(self.base_url))

    @property
    def region(self) -> str | None:
        """The region of the host, None for one that is not Back Market's."""
        host = host_of(self.base_url)
        if self.local or ".backmarket." not in host:
            return None
        return next((region for end, region in _HOSTS.items() if host.endswith(end)), None)


def with_host(answers: Answers, text: str) -> Answers:
    """Take the address of Back Market, https:// in front of it or not.

    Raises:
        SettingsError: It is no address that a token may be sent to.
    """
    typed = text.strip()
    if typed and "://" not in typed:
        typed = f"https://{typed}"
    return replace(answers, base_url=check_base_url(typed))


def with_user_agent(answers: Answers, text: str) -> Answers:
    """Take what Back Market is told of who asks; a sandbox asks nobody.

    Raises:
        SettingsError: Not in the form that Back Market asks for.
    """
    agent = text.strip() or (SANDBOX_USER_AGENT if answers.local else "")
    _checked(answers.name, {"user_agent": agent} if agent else {"user_agent": "-"})
    return replace(answers, user_agent=agent)


def with_token(answers: Answers, text: str) -> Answers:
    """Take the token as it was pasted; whether it works only Back Market can tell.

    Raises:
        SettingsError: It cannot be one.
    """
    return replace(answers, token=checked(text, "your input").value)


def with_markets(answers: Answers, text: str) -> Answers:
    """Take the markets: known, of one region, and that of the host.

    Raises:
        SettingsError: They are not.
    """
    if not text.strip():
        raise SettingsError("Name at least one market.", field="markets", hint="Such as fr-fr,de-de.")
    keys = _checked(answers.name, {"markets": text.strip()}).keys().markets or ()
    for code in keys:
        if answers.region is not None and MARKETS[code].region != answers.region:
            raise SettingsError(
                f"{code} is a market of {REGIONS[MARKETS[code].region]}, {host_of(answers.base_url)} serves "
                f"{REGIONS[answers.region]}.",
                field="markets",
                value=code,
                hint="A token is for one region: make a profile for each.",
            )
    return replace(answers, markets=keys)


def profile_of(answers: Answers) -> Profile:
    """Return the profile that the answers make; without markets it is one that only serves to try the token."""
    first = next((code for code, place in MARKETS.items() if place.region == (answers.region or "EU")), "fr-fr")
    try:
        return Profile.model_validate(
            {
                "name": answers.name,
                "base_url": answers.base_url,
                "token": answers.token,
                "token_source": "first run",
                "user_agent": answers.user_agent,
                "markets": answers.markets or (first,),
            }
        )
    except ValidationError:
        raise SettingsError("The answers do not make a profile.", field="profile") from None


async def try_token(answers: Answers, paths: Paths) -> None:
    """Ask Back Market for one order, in no file but the ledger of requests.

    Raises:
        Unauthorised: The token does not work.
        Unreachable: Back Market does not answer at that address.
    """
    from bmconsole.workspace import Workspace

    with tempfile.TemporaryDirectory(prefix="bmconsole-") as folder:
        async with await Workspace.open(profile_of(answers), replace(paths, data=Path(folder))) as workspace:
            try:
                async with asyncio.timeout(PATIENCE):
                    await workspace.check_token()
            except TimeoutError:
                host = host_of(answers.base_url)
                raise Unreachable(
                    f"{host} does not answer.", hint="Is the address right, and the network there?"
                ) from None


async def try_markets(answers: Answers, paths: Paths) -> None:
    """Ask Back Market for a listing in each market and see whether it answers for that market.

    Raises:
        UsageError: It answers with another market's currency: the account is of another region.
        BmError: It gave no usable answer.
    """
    from bmconsole.workspace import Workspace

    with tempfile.TemporaryDirectory(prefix="bmconsole-") as folder:
        async with await Workspace.open(profile_of(answers), replace(paths, data=Path(folder))) as workspace:
            for market, currency in (await workspace.market_currencies()).items():
                if currency is not None and currency != MARKETS[market].currency:
                    raise UsageError(
                        f"{market}: Back Market answers in {clean(currency, limit=8)}, not in "
                        f"{MARKETS[market].currency}: the account does not sell there, or is of another region.",
                        field="markets",
                        value=market,
                        hint="Leave it out, or make a profile with a token of that region.",
                    )


def keep(answers: Answers, paths: Paths) -> Profile:
    """Write the settings and the token (0600) and return the profile as it will be read.

    Raises:
        SettingsError: There is a profile of that name, or the settings file cannot be read.
        DiskTrouble: It cannot be written.
    """
    add_profile(answers.name, answers.base_url, answers.markets, answers.user_agent, paths)
    store_token(answers.name, paths, answers.token)
    return Settings.read(answers.name, paths=paths).profile(auth="required")


def add_profile(name: str, base_url: str, markets: tuple[str, ...], user_agent: str, paths: Paths) -> None:
    """Add a profile to the settings file.

    Raises:
        SettingsError: There is one of that name.
        DiskTrouble: The file cannot be written.
    """
    file = read_settings_file(paths.config_file)
    if name in file.profiles:
        raise SettingsError(
            f"{file.where('profile', name)}: there already is a profile “{name}”.",
            field="profile",
            value=name,
            hint="Edit it there, or name another with --profile.",
        )
    table = TEMPLATE.format(
        name=name,
        base_url=json.dumps(base_url),
        markets=json.dumps(",".join(markets)),
        user_agent=json.dumps(user_agent),
    )
    write_private(file.path, f"{file.text.rstrip()}\n\n{table}" if file.text.strip() else table)


def _checked(name: str, values: dict[str, str]) -> Layers:
    layers = Layers(name, SettingsFile(Path("config.toml")), nested(values))
    try:
        layers.keys()
    except SettingsError as error:
        # “The command line: markets: …” would name a place that nobody typed into
        message = error.message.split(": ", 2)[-1]
        if message.startswith(("is ", "names ")):
            message = f"it {message}"
        raise SettingsError(
            message[:1].upper() + message[1:], field=error.field, value=error.value, hint=error.hint
        ) from None
    return layers
