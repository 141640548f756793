"""`bmconsole auth`: keep the API token, see whether it works, forget it."""

import sys
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Group
from bmconsole.cli.output import print_facts, print_json
from bmconsole.credentials import (
    KEYRING,
    ask_keyring,
    forget_in_keyring,
    forget_token,
    missing_token,
    store_in_keyring,
    store_token,
)
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.settings import Settings
    from bmconsole.workspace import Workspace


@click.group(cls=Group)
def auth() -> None:
    """Keep, test and forget the API token."""


@auth.command("set")
@click.option("--keyring", "in_keyring", is_flag=True, help="Keep it in this machine's keyring (extra: keyring).")
@click.pass_obj
def set_(call: Call, in_keyring: bool) -> int:
    """Keep a token in a private file, or in the machine's keyring.

    It is typed unseen, or comes from standard input; never as an argument, which others can read.
    """
    settings = call.settings()
    name, file = settings.layers.name, call.paths.token_file(settings.layers.name)
    if file.exists() or ask_keyring(name) is not None:
        settings.need("admin", "replace the token")
    else:
        settings.need("operator", "keep a token")
    text = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    token = store_in_keyring(name, text) if in_keyring else store_token(name, call.paths, text)
    if call.json:
        print_json({"profile": name, "source": token.source})
    call.say(f"The token of profile “{name}” is in {'the keyring' if in_keyring else token.source}.")
    if first := _before(settings, in_keyring):
        call.say(f"It is not used as long as {first} is set, which comes first.")
    if in_keyring and file.exists():
        call.say(f"{file} still holds one, which is not used any more; “bmconsole auth forget” deletes both.")
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
    """Delete the kept token, in the private file and in the keyring."""
    settings = call.settings()
    settings.need("admin", "forget the token")
    name, file = settings.layers.name, call.paths.token_file(settings.layers.name)
    gone = [KEYRING] if forget_in_keyring(name) else []
    if forget_token(name, call.paths):
        gone.append(str(file))
    if not gone:
        raise missing_token(name)
    if call.json:
        print_json({"profile": name, "source": "none", "forgotten": gone})
    call.say(f"The token of profile “{name}” is forgotten, in {' and in '.join(gone)}.")
    return 0


def _print(call: Call, facts: dict[str, object]) -> None:
    if call.json:
        print_json(facts)
    else:
        print_facts(facts)
    sys.stdout.flush()


def _before(settings: "Settings", in_keyring: bool) -> str | None:
    """Return what comes before the place in which the token was put, None where nothing does."""
    from bmconsole.settings import variable

    if settings.layers.origin("token") == variable("token"):
        return variable("token")
    if (origin := settings.layers.origin("token_command")) != "default":
        return "token_command" if origin == str(settings.layers.file.path) else origin
    if in_keyring:
        return None
    if ask_keyring(settings.layers.name) is not None:
        return "the one in the keyring"
    return "token" if settings.layers.origin("token") != "default" else None
