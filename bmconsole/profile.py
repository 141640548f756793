"""A profile: one seller's account in one region, as `bmconsole.settings` read and checked it."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from bmconsole import settings_checks as checks
from bmconsole.hosts import host_of, is_loopback
from bmconsole.settings_checks import HAPPENINGS, SCHEDULE

SANDBOX_USER_AGENT = "BM-Bmconsole-Sandbox;operator@localhost"


Happenings = Annotated[tuple[str, ...], BeforeValidator(checks.as_list), AfterValidator(checks.known_happenings)]


class Notify(BaseModel):
    """What the operator is told about, and how; nothing as long as no way is chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    events: Happenings = HAPPENINGS
    bell: bool = False
    desktop: bool = False
    command: str | None = None
    """A program with its arguments, not for a shell, that gets a JSON object on standard input."""
    per_minute: Annotated[int, Field(ge=1, le=60)] = 6
    """What is more than that is gathered and told later."""
    buyer: bool = False
    """Whether the command is told the buyers' names."""


class Profile(BaseModel):
    """One seller's account in one region, complete and checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    base_url: str
    """Scheme, host and port, without a slash at its end."""
    token: SecretStr | None = None
    token_source: str = "none"  # noqa: S105  # the name of a source, not a token
    user_agent: str = SANDBOX_USER_AGENT
    markets: tuple[str, ...]
    """Codes, all of one region; the first is the main market."""
    access: Literal["viewer", "operator", "admin"] = "operator"
    allow_host: bool = False
    limits: dict[str, str] = Field(default_factory=dict)
    """The configured limits by name, as `requests/seconds`; what is not in it keeps its documented limit."""
    schedule: dict[str, str] = Field(default_factory=lambda: dict(SCHEDULE))
    """Every timer of `SCHEDULE` with its interval (`15m`), or `off`."""
    repricing_mode: Literal["off", "observe", "suggest", "auto"] = "suggest"
    timezone: str | None = None
    """A name of the zone database; None: the machine's zone."""
    privacy_days: int = 90
    vat: str | None = None
    colour: str | None = None
    """What marks this profile among several, a name of `COLOURS`; None: nothing does."""
    notify: Notify = Field(default_factory=lambda: Notify())

    @property
    def main_market(self) -> str:
        """The market that is shown where none is chosen."""
        return self.markets[0]

    @cached_property
    def environment(self) -> Literal["production", "preprod", "sandbox"]:
        """What the host is: loopback is a sandbox, `preprod.…` the preprod, everything else counts as production."""
        host = host_of(self.base_url)
        if is_loopback(host):
            return "sandbox"
        return "preprod" if host.startswith("preprod.") else "production"
