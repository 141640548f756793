"""`bmconsole auth`: keep the API token, see whether it works, forget it."""

import sys
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Group
from bmconsole.cli.output import print_facts, print_json
from bmconsole.credentials import forget_token, missing_token, store_token
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.settings import Settings
    from bmconsole.workspace import Workspace


@click.group(cls=Group)
def auth() -> None:
    """Keep, test and forget the API token."""


@auth.command("set")
@click.pass_obj
def set_(call: Call) -> int:
    """Keep a token in a private file.

    It is typed unseen, or comes from standard input; never as an argument, which others can read.
    """
    settings = call.settings()
    file = call.paths.token_file(settings.layers.name)
    if file.exists():
        settings.need("admin", "replace the token")
    else:
        settings.need("operator", "keep a token")
    text = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    token = store_token(settings.layers.name, call.paths, text)
    if call.json:
        print_json({"profile": settings.layers.name, "source": token.source})
    call.say(f"The token of profile “{settings.layers.name}” is in {token.source}.")
    if first := _before_the_file(settings):
        call.say(f"It is not used as long as {first} is set, which comes first.")
    return 0


@auth.command("status")
@click.pass_obj
def status(call: Call) -> int:
    """Tell where the token is from and whether it works."""

    async def work(workspace: "Workspace") -> int:
        profile = workspace.profile
        facts: dict[str, object] = {
            "profile": profile.name,
            "base_url": profile.base_url,
            "source": profile.token_source,
            "access": profile.access,
        }
        try:
            await workspace.check_token()
        except BmError:
            _print(call, facts | {"works": False})
            raise
        _print(call, facts | {"works": True})
        return 0

    return call.run(work)


@auth.command("forget")
@click.pass_obj
def forget(call: Call) -> int:
    """Delete the kept token."""
    settings = call.settings()
    settings.need("admin", "forget the token")
    name = settings.layers.name
    if not forget_token(name, call.paths):
        raise missing_token(name)
    if call.json:
        print_json({"profile": name, "source": "none"})
    call.say(f"The token of profile “{name}” is forgotten.")
    return 0


def _print(call: Call, facts: dict[str, object]) -> None:
    if call.json:
        print_json(facts)
    else:
        print_facts(facts)
    sys.stdout.flush()


def _before_the_file(settings: "Settings") -> str | None:
    for key in ("token", "token_command"):
        origin = settings.layers.origin(key)
        if origin != "default":
            return key if origin == str(settings.layers.file.path) else origin
    return None
