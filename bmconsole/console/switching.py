"""Which profiles there are, and another one for the console to go on with."""

import os
from collections.abc import Mapping

from bmconsole.domain.text import clean
from bmconsole.errors import SettingsError, UsageError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.settings import Settings, variable
from bmconsole.settings_file import nearest, read_settings_file

_OF_ONE_ACCOUNT = ("base_url", "token", "markets")
"""What belongs to one account: where the environment says it, it would say it of every profile."""


def profiles(paths: Paths) -> list[str]:
    """Return the names of the profiles in the settings file; raises SettingsError."""
    return list(read_settings_file(paths.config_file).profiles)


def other_profile(name: str, paths: Paths, flags: Mapping[str, str]) -> Profile:
    """Return another profile, complete.

    Args:
        name: Its name.
        paths: Where the settings file is.
        flags: What the command line said, such as `{"access": "viewer"}`; it holds for every profile.

    Raises:
        UsageError: There is no such profile, or the environment names an account.
        SettingsError: It is not complete.
    """
    known = profiles(paths)
    if name not in known:
        raise UsageError(
            f"There is no profile {clean(name, limit=40)}.",
            field="profile",
            value=clean(name, limit=40),
            hint=nearest(name, known) if known else "The settings file has none.",
        )
    if told := [variable(key) for key in _OF_ONE_ACCOUNT if os.environ.get(variable(key))]:
        raise SettingsError(
            f"{', '.join(told)} would hold for every profile.",
            field="profile",
            value=name,
            hint="Start bmconsole without it to switch between profiles.",
        )
    return Settings.read(name, overrides=dict(flags), paths=paths).profile(auth="required")
