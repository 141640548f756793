"""`bmconsole config`: make the settings file, show what counts, say what is wrong."""

import os
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Group
from bmconsole.cli.output import print_json, print_table
from bmconsole.errors import UsageError
from bmconsole.paths import check_profile_name
from bmconsole.settings_file import SettingsFile, nested, read_settings_file

if TYPE_CHECKING:
    from bmconsole.settings import Settings

_OTHER_VARIABLES = ("BMCONSOLE_HOME", "BMCONSOLE_SANDBOX_TOKEN")


@click.group(cls=Group)
def config() -> None:
    """Make, show and check the settings."""


@config.command("init")
@click.option("--base-url", metavar="URL", help="https://www.backmarket.fr, or the preprod.")
@click.option("--markets", metavar="CODES", help="fr-fr,de-de; the first is the main one.")
@click.option("--user-agent", metavar="TEXT", help="BM-Company-Integration;mail")
@click.pass_obj
def init(call: Call, /, **given: str | None) -> int:
    """Add a profile to the settings file.

    Asks for what no option says.
    """
    from bmconsole.beginning import add_profile
    from bmconsole.profile import SANDBOX_USER_AGENT
    from bmconsole.settings import Layers, Settings, host_of, is_loopback

    name = check_profile_name(call.profile_name or "default")
    file = read_settings_file(call.paths.config_file)
    if name in file.profiles:
        raise UsageError(
            f"{file.where('profile', name)}: there already is a profile “{name}”.",
            field="profile",
            value=name,
            hint="Edit it there, or name another with --profile.",
        )
    values = {key: value for key, value in given.items() if value}
    if "user_agent" not in values and is_loopback(host_of(values.get("base_url", ""))):
        values["user_agent"] = SANDBOX_USER_AGENT
    for key, example in (
        ("base_url", "https://www.backmarket.fr"),
        ("markets", "fr-fr,de-de"),
        ("user_agent", "BM-Company-Integration;mail"),
    ):
        if key not in values:
            option = f"--{key.replace('_', '-')}"
            if not call.may_ask():
                raise UsageError(f"{option} is missing.", field=key, hint=f'For instance: {option} "{example}"')
            values[key] = click.prompt(f"{key} (such as {example})", err=True)
    layers = Layers(name, SettingsFile(file.path), nested(values))
    checked = Settings(layers, layers.keys(), call.paths).profile(auth="skip")
    add_profile(name, checked.base_url, checked.markets, checked.user_agent, call.paths)
    if call.json:
        print_json({"profile": name, "file": str(file.path)})
    call.say(f"Profile “{name}” is in {file.path}. Next: bmconsole auth set")
    return 0


@config.command("path")
@click.pass_obj
def path(call: Call) -> int:
    """Print where the settings file is, or would be."""
    paths = call.paths
    if call.json:
        names = ("config", "data", "state", "logs")
        print_json({"file": str(paths.config_file)} | {name: str(getattr(paths, name)) for name in names})
    else:
        click.echo(str(paths.config_file))
    return 0


@config.command("show")
@click.pass_obj
def show(call: Call) -> int:
    """Show every setting that counts, and where it comes from."""
    settings = call.settings()
    values = _effective(settings)
    origins = {key: settings.layers.origin(key) for key in values}
    if call.json:
        print_json({"profile": settings.layers.name, "values": values, "origins": origins})
    else:
        print_table(("SETTING", "VALUE", "FROM"), [(key, value, origins[key]) for key, value in values.items()])
    return 0


@config.command("check")
@click.pass_obj
def check(call: Call) -> int:
    """Say whether the settings are right and complete."""
    profile = call.profile("required")
    for name in _unknown_variables():
        call.say(f"Note: {name} is no setting.")
    if call.json:
        print_json({"profile": profile.name, "ok": True})
    call.say(f"Profile “{profile.name}” is complete: {profile.base_url}, {', '.join(profile.markets)}.")
    return 0


def _effective(settings: "Settings") -> dict[str, object]:
    from bmconsole.hosts import without_login
    from bmconsole.settings import SCHEDULE

    keys = settings.keys
    return {
        "base_url": without_login(keys.base_url) if keys.base_url else None,
        "allow_host": keys.allow_host,
        "token_command": "set" if keys.token_command else None,
        "user_agent": keys.user_agent,
        "markets": ",".join(keys.markets) if keys.markets else None,
        "access": settings.layers.access(),
        **{f"limits.{name}": value for name, value in keys.limits.items()},
        **{f"schedule.{name}": value for name, value in (SCHEDULE | keys.schedule).items()},
        "repricing.mode": keys.repricing.mode,
        "timezone": keys.timezone,
        "privacy_days": keys.privacy_days,
        "vat": keys.vat,
        "colour": keys.colour,
        **{
            f"notify.{name}": ",".join(value) if isinstance(value, tuple) else value
            for name, value in keys.notify.model_dump().items()
        },
    }


def _unknown_variables() -> list[str]:
    from bmconsole.settings import PREFIX, Keys, variable

    known = {variable(key) for key in Keys.model_fields} | set(_OTHER_VARIABLES)
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name.split("__")[0] not in known)
