"""What every command has: the shared options at any level, the profile, a workspace, and narration on stderr."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bmconsole.domain.text import clean
from bmconsole.faults import watched
from bmconsole.paths import Paths

if TYPE_CHECKING:
    from bmconsole.cache import Cache
    from bmconsole.profile import Profile
    from bmconsole.settings import AuthUse, Settings
    from bmconsole.workspace import Workspace

T = TypeVar("T")

COMPLETE_VARIABLE = "_BMCONSOLE_COMPLETE"
"""The variable through which a shell asks for completions."""


class Call:
    """One call of the program: what the shared options say, and the ways to what a command needs."""

    def __init__(self) -> None:
        self.profile_name: str | None = None
        self.json = False
        self.read_only = False

    @cached_property
    def paths(self) -> Paths:
        """Where files live."""
        return Paths.default()

    def settings(self) -> "Settings":
        """Return the settings of the chosen profile; raises SettingsError."""
        from bmconsole.settings import Settings

        flags = {"access": "viewer"} if self.read_only else {}
        return Settings.read(self.profile_name, overrides=flags, paths=self.paths)

    def profile(self, auth: "AuthUse") -> "Profile":
        """Return the chosen profile, complete; raises SettingsError."""
        return self.settings().profile(auth=auth)

    @asynccontextmanager
    async def workspace(self, auth: "AuthUse") -> AsyncIterator["Workspace"]:
        """Open the workspace of the chosen profile; nothing is made on disk before its settings are right."""
        profile = self.profile(auth)
        from bmconsole.workspace import Workspace

        async with await Workspace.open(profile, self.paths) as workspace:
            yield workspace

    def read(self, work: "Callable[[Cache], Awaitable[T]]") -> T:
        """Run `work` with what the chosen profile has on this machine: no token, no client, a faster start."""

        async def inside() -> T:
            profile = self.profile("skip")
            from bmconsole.cache import Cache, Files

            files = await asyncio.to_thread(Files, profile.name, self.paths)
            try:
                return await work(Cache(profile, self.paths, files))
            finally:
                await asyncio.to_thread(files.close)

        return asyncio.run(watched(inside()))

    def run(self, work: "Callable[[Workspace], Awaitable[T]]", *, auth: "AuthUse" = "required") -> T:
        """Run `work` with the workspace of the chosen profile; `auth` says whether the command needs the token."""

        async def inside() -> T:
            async with self.workspace(auth) as workspace:
                return await work(workspace)

        return asyncio.run(watched(inside()))

    def say(self, message: str) -> None:
        """Tell people something on stderr; with `--json` only errors are told."""
        if not self.json:
            print(clean(message), file=sys.stderr, flush=True)

    def may_ask(self) -> bool:
        """Return whether there is a person to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: str | bool | None) -> None:
        call = context.ensure_object(Call)
        if value:
            setattr(call, name, value)

    return callback


def _shared_options() -> list[click.Option]:
    # Each command has them, and the innermost that is given wins: `bmconsole --json orders list` is `… list --json`
    return [
        click.Option(
            ["--profile"],
            metavar="NAME",
            expose_value=False,
            callback=_remember("profile_name"),
            help="The [profile.NAME] of the settings.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_remember("json"),
            help="Print JSON: one object a line for lists.",
        ),
        click.Option(
            ["--read-only"],
            is_flag=True,
            expose_value=False,
            callback=_remember("read_only"),
            help="Change nothing, whatever the settings grant.",
        ),
    ]


class Command(click.Command):
    """A command with the shared options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_shared_options()]


class Group(click.Group):
    """A group of commands with the shared options; names the nearest command when one does not exist."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False} | kwargs)
        self.params = [*self.params, *_shared_options()]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean “{close[0]}”?" if close else f"Known: {', '.join(known)}."
            raise click.UsageError(f"there is no command “{clean(name, limit=40)}”. {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group with commands that are imported when they are called: `lazy` maps a name to `module:attribute`."""

    def __init__(self, *args: Any, lazy: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # the table of commands names commands only
        return command
