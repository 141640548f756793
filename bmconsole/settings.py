"""Settings: flags over environment over `config.toml`, checked, as one frozen profile.

A wrong value is a `SettingsError` that names the file and line, or the variable, with the key, the value and the way
out.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from bmconsole import settings_checks as checks
from bmconsole.credentials import Token, find_token, missing_token
from bmconsole.domain.text import clean
from bmconsole.errors import NotAllowed, SettingsError
from bmconsole.hosts import check_base_url, host_of, is_loopback
from bmconsole.paths import Paths, check_profile_name
from bmconsole.profile import SANDBOX_USER_AGENT, Happenings, Notify, Profile
from bmconsole.settings_checks import ACCESS, COLOURS, HAPPENINGS, LIMITS, MODES, SCHEDULE
from bmconsole.settings_file import SettingsFile, Table, holds, nearest, nested, read_settings_file

__all__ = [
    "ACCESS",
    "LIMITS",
    "MODES",
    "SCHEDULE",
    "Keys",
    "Settings",
    "check_base_url",
    "host_of",
    "is_loopback",
    "load_profile",
    "variable",
]

PREFIX = "BMCONSOLE_"

AuthUse = Literal["required", "optional", "skip"]
"""Whether a command needs the token, takes it if there is one, or asks nobody but the environment for it."""


def load_profile(
    name: str | None = None,
    *,
    overrides: Mapping[str, str] | None = None,
    paths: Paths | None = None,
    auth: AuthUse = "optional",
) -> Profile:
    """Return the profile `name` from flags (`overrides`, dotted keys), environment and settings file.

    Args:
        name: The `[profile.NAME]` table. None: the only one that the file has, else `default`, which needs no table
            when the environment says everything.
        overrides: Flags, such as `{"access": "viewer"}`.
        paths: Where the settings file is; the system's folders by default.
        auth: `skip` asks nobody but the environment (commands that only read the cache), `optional` looks everywhere
            and leaves `token` None where there is none, `required` refuses that.

    Raises:
        SettingsError: Something is missing, malformed or not allowed.
    """
    return Settings.read(name, overrides=overrides, paths=paths).profile(auth=auth)


class _Repricing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mode: Annotated[str, checks.one_of(*MODES)] = "suggest"


_Limit = Annotated[str, BeforeValidator(checks.as_text), AfterValidator(checks.limit)]
_Interval = Annotated[str, BeforeValidator(checks.as_text), AfterValidator(checks.interval)]


class _NotifyKeys(Notify):
    # With commas in a variable, as in a file
    events: Annotated[Happenings, NoDecode] = HAPPENINGS


class Keys(BaseSettings):
    """The keys of a `[profile.NAME]` table, each checked by itself; whether all that is needed is there is not."""

    # Built late: only the class that knows the settings file is ever asked to check values
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        hide_input_in_errors=True,
        defer_build=True,
    )

    base_url: str | None = None
    allow_host: bool = False
    token: SecretStr | None = None
    token_command: str | None = None
    user_agent: Annotated[str, AfterValidator(checks.user_agent)] | None = None
    markets: (
        Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.as_list), AfterValidator(checks.known_markets)]
        | None
    ) = None
    access: Annotated[str, checks.one_of(*ACCESS)] | None = None
    limits: dict[Annotated[str, checks.one_of(*LIMITS)], _Limit] = Field(default_factory=dict)
    schedule: dict[Annotated[str, checks.one_of(*SCHEDULE)], _Interval] = Field(default_factory=dict)
    repricing: _Repricing = _Repricing()
    notify: _NotifyKeys = _NotifyKeys()
    colour: Annotated[str, checks.one_of(*COLOURS)] | None = None
    timezone: Annotated[str, AfterValidator(checks.timezone)] | None = None
    privacy_days: Annotated[int, Field(ge=0, le=3_650)] = 90
    vat: Annotated[str, AfterValidator(checks.vat)] | None = None


@dataclass(frozen=True)
class Layers:
    """The three places of a profile's settings, to tell where a value comes from."""

    name: str
    file: SettingsFile
    flags: Mapping[str, Any]

    @property
    def table(self) -> Table:
        """The `[profile.NAME]` table, empty where the file has none."""
        return self.file.profiles.get(self.name, {})

    def keys(self) -> Keys:
        """Return the merged values.

        Raises:
            SettingsError: A value is malformed, or a key unknown.
        """
        table = dict(self.table)

        class Layered(Keys):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return init_settings, env_settings, InitSettingsSource(settings_cls, table)

        try:
            return Layered(**self.flags)
        except ValidationError as error:
            raise self._explained(error) from None
        except UnreadableVariable as error:
            raise SettingsError(f"{clean(error, limit=200)}.", hint="Write one variable for each key.") from None

    def origin(self, key: str) -> str:
        """Return where the value of a dotted key comes from: `flag`, the variable, the file's path, or `default`."""
        parts = key.split(".")
        if holds(self.flags, parts):
            return "flag"
        if os.environ.get(variable(key)):
            return variable(key)
        return str(self.file.path) if holds(self.table, parts) else "default"

    def place(self, key: str) -> str:
        """Return the origin of a dotted key for a message: in a file with its line."""
        origin = self.origin(key)
        if origin == "flag":
            return "The command line"
        return self.file.where("profile", self.name, *key.split(".")) if origin == str(self.file.path) else origin

    def access(self) -> str:
        """Return what the profile may do: environment and flags lower what the settings file grants, never raise it.

        Without a settings file the environment decides.

        Raises:
            SettingsError: A layer names no such access.
        """
        environment = self._access(os.environ.get(variable("access")), variable("access"))
        if self.file.exists:
            place = self.file.where("profile", self.name, "access")
            granted = self._access(self.table.get("access"), place) or "operator"
        else:
            granted = environment or "operator"
        asked = self._access(self.flags.get("access"), "flag")
        return min((level for level in (granted, environment, asked) if level), key=ACCESS.index)

    def _access(self, value: object, place: str) -> str | None:
        if not value:
            return None
        text = clean(value, limit=40).lower()
        if text not in ACCESS:
            raise SettingsError(
                f"{place}: access: “{text}” is none of {', '.join(ACCESS)}.",
                field="access",
                value=text,
                hint=nearest(text, ACCESS),
            )
        return text

    def _explained(self, error: ValidationError) -> SettingsError:
        first = error.errors(include_url=False)[0]
        parts = [str(part) for part in first["loc"] if part != "[key]" and not isinstance(part, int)]
        key = clean(".".join(parts), limit=100)
        place = self.place(key)
        if first["type"] == "extra_forbidden":
            tables = {"repricing": _Repricing.model_fields, "notify": Notify.model_fields}
            known = tables[parts[0]] if len(parts) > 1 else Keys.model_fields
            return SettingsError(f"{place}: there is no setting “{key}”.", field=key, hint=nearest(parts[-1], known))
        context = first.get("ctx", {})
        message = context.get("text") or first["msg"][:1].lower() + first["msg"][1:] + "."
        value = None if parts[0] == "token" else clean(first["input"], limit=200)
        return SettingsError(f"{place}: {key}: {message}", field=key, value=value, hint=context.get("hint") or None)


@dataclass(frozen=True)
class Settings:
    """What flags, environment and file say about a profile, each value checked, perhaps not complete."""

    layers: Layers
    keys: Keys
    paths: Paths

    @classmethod
    def read(
        cls, name: str | None, *, overrides: Mapping[str, str] | None = None, paths: Paths | None = None
    ) -> "Settings":
        """Read the three layers; arguments as in `load_profile`.

        Raises:
            SettingsError: A value is malformed, a key is unknown, or the file has profiles but not this one.
        """
        paths = paths or Paths.default()
        file = read_settings_file(paths.config_file)
        if name is None:
            name = next(iter(file.profiles)) if len(file.profiles) == 1 else "default"
        check_profile_name(name)
        if name != "default" and file.exists and name not in file.profiles:
            raise SettingsError(
                f"{file.path} has no profile “{name}”.",
                field="profile",
                value=name,
                hint=nearest(name, file.profiles) if file.profiles else f"Add a table [profile.{name}].",
            )
        layers = Layers(name, file, nested(overrides or {}))
        return cls(layers, layers.keys(), paths)

    def profile(self, *, auth: AuthUse = "optional") -> Profile:
        """Return the complete profile; `auth` as in `load_profile`.

        Raises:
            SettingsError: Something that is needed is missing, or the host or the token cannot be used.
        """
        keys = self.keys
        base_url = self._base_url()
        if keys.markets is None:
            raise self._missing("markets", 'Write markets = "fr-fr,de-de"; the first is the main one.')
        agent = keys.user_agent or (SANDBOX_USER_AGENT if is_loopback(host_of(base_url)) else None)
        if agent is None:
            raise self._missing(
                "user_agent", "Write BM-Company-Integration;mail: Back Market refuses requests without it."
            )
        found = self.token(only_environment=auth == "skip")
        if found is None and auth == "required":
            raise missing_token(self.layers.name)
        return Profile.model_validate(
            {
                "name": self.layers.name,
                "base_url": base_url,
                "token": found.value if found else None,
                "token_source": found.source if found else "none",
                "user_agent": agent,
                "markets": keys.markets,
                "access": self.layers.access(),
                "allow_host": keys.allow_host,
                "limits": keys.limits,
                "schedule": SCHEDULE | keys.schedule,
                "repricing_mode": keys.repricing.mode,
                "timezone": keys.timezone,
                "privacy_days": keys.privacy_days,
                "vat": keys.vat,
                "colour": keys.colour,
                "notify": keys.notify,
            }
        )

    def need(self, access: str, what: str) -> None:
        """Make sure that the profile's access is at least `access`; `what` completes “it may not …”.

        Raises:
            NotAllowed: It is less.
        """
        granted = self.layers.access()
        if ACCESS.index(granted) < ACCESS.index(access):
            raise NotAllowed(
                f"This profile's access is {granted}: it may not {what}.",
                field="access",
                value=granted,
                hint=f"It takes {access}: the `access` setting, without --read-only.",
            )

    def token(self, *, only_environment: bool = False) -> Token | None:
        """Return the token from the first source that has one.

        Raises:
            SettingsError: That source cannot be used, or others may read a settings file that holds a token.
        """
        environment = os.environ.get(variable("token"))
        if only_environment and not environment:
            return None
        file, written = self.layers.file, self.layers.table.get("token")
        if written and file.shared_with_others():
            raise SettingsError(
                f"Other accounts may read the token in {file.where('profile', self.layers.name, 'token')}.",
                field="token",
                hint=f"Run: chmod 600 {file.path}",
            )
        return find_token(
            self.layers.name,
            self.paths,
            environment=environment,
            command=self.keys.token_command,
            settings=written if isinstance(written, str) else None,
        )

    def _base_url(self) -> str:
        if self.keys.base_url is None:
            raise self._missing(
                "base_url",
                f"Set {variable('base_url')} or run “bmconsole config init”;"
                " “bmconsole demo” shows the console without an account.",
            )
        try:
            return check_base_url(self.keys.base_url, allow_host=self.keys.allow_host)
        except SettingsError as error:
            place = self.layers.place("base_url")
            raise SettingsError(
                f"{place}: {error.message}", field=error.field, value=error.value, hint=error.hint
            ) from None

    def _missing(self, key: str, hint: str) -> SettingsError:
        file, name = self.layers.file, self.layers.name
        others = ", ".join(file.profiles)
        also = f" {file.path} has the profiles {others}." if others and name not in file.profiles else ""
        return SettingsError(f"Profile “{name}” has no {key}.{also}", field=key, hint=hint)


def variable(key: str) -> str:
    """Return the environment variable of a dotted key: `limits.edge` is `BMCONSOLE_LIMITS__EDGE`."""
    return PREFIX + key.upper().replace(".", "__")
