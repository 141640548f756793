"""The command `bmconsole`: its table of commands, and how every error becomes one line and an exit code."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence

import click

from bmconsole import __version__
from bmconsole.cli.frame import COMPLETE_VARIABLE, Call, LazyGroup
from bmconsole.domain.text import clean
from bmconsole.errors import BmError, DiskTrouble, UsageError
from bmconsole.faults import Background

INTERRUPTED = 130
WEB_VARIABLE = "TEXTUAL_DRIVER"
"""Set where a browser is the terminal, by what serves it."""

_COMMANDS = {
    "demo": "bmconsole.cli.demo:demo",
    "run": "bmconsole.cli.engine:run",
    "sandbox": "bmconsole.cli.sandbox:sandbox",
    "sync": "bmconsole.cli.sync:sync",
    "status": "bmconsole.cli.status:status",
    "doctor": "bmconsole.cli.doctor:doctor",
    "log": "bmconsole.cli.log:log",
    "limits": "bmconsole.cli.limits:limits",
    "orders": "bmconsole.cli.orders:orders",
    "listings": "bmconsole.cli.listings:listings",
    "writes": "bmconsole.cli.writes:writes",
    "costs": "bmconsole.cli.costs:costs",
    "reprice": "bmconsole.cli.reprice:reprice",
    "brief": "bmconsole.cli.brief:brief",
    "serve": "bmconsole.cli.serve:serve",
    "config": "bmconsole.cli.config:config",
    "auth": "bmconsole.cli.auth:auth",
    "backup": "bmconsole.cli.upkeep:backup",
    "restore": "bmconsole.cli.upkeep:restore",
    "purge": "bmconsole.cli.upkeep:purge",
    "completion": "bmconsole.cli.completion:completion",
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    name="bmconsole",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="bmconsole %(version)s")
@click.pass_context
def app(context: click.Context) -> int:
    """The operator console for people who sell refurbished devices on Back Market.

    Without a command: the console. “bmconsole demo” shows it without an account.
    """
    if context.invoked_subcommand is not None:
        return 0
    call = context.ensure_object(Call)
    if _is_first_run(call):
        from bmconsole.console.beginning import first_run

        if first_run(call.paths, call.profile_name or "default") is None:
            return 0
    profile = call.profile("required")
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and WEB_VARIABLE not in os.environ:
        raise UsageError("The console needs a terminal.", hint="Without one, “bmconsole run” does its background work.")
    from bmconsole.cli.signals import leaving_on_sigterm
    from bmconsole.console.start import run_console

    with leaving_on_sigterm():
        return run_console(profile, call.paths, flags={"access": "viewer"} if call.read_only else {})


def _is_first_run(call: Call) -> bool:
    """Return whether nobody has said anything about Back Market yet, and there is a person to ask."""
    if call.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    settings = call.settings()
    return not settings.layers.file.exists and settings.keys.base_url is None


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; nothing but an error in Python itself gets past it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows another one; it does not end the command
            stream.reconfigure(errors="replace")
    as_json = "--json" in list(arguments)
    with Background(lambda words, report: _told(words, report, as_json)):
        return _run(list(arguments), as_json)


def _run(arguments: list[str], as_json: bool) -> int:
    try:
        code = _invoke(arguments)
    except BrokenPipeError:
        _let_go_of_stdout()
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.UsageError as error:
        return _tell(_usage(error), as_json)
    except click.ClickException as error:
        return _tell(BmError(clean(error.format_message())), as_json)
    except BmError as error:
        return _tell(error, as_json)
    except BaseExceptionGroup as group:
        faults = [error for error in _leaves(group) if isinstance(error, BmError)]
        return _tell(faults[0], as_json) if faults else _crashed(group, as_json)
    except OSError as error:
        _let_go_of_stdout()
        return _tell(DiskTrouble(f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}."), as_json)
    except Exception as error:
        return _crashed(error, as_json)
    return code if isinstance(code, int) else 0


def _invoke(arguments: list[str]) -> object:
    if COMPLETE_VARIABLE in os.environ:
        app.main(args=arguments, prog_name="bmconsole", complete_var=COMPLETE_VARIABLE)
    # Not app.main(): it ends the process by itself when the reader of stdout goes away
    with app.make_context("bmconsole", arguments) as context:
        result = app.invoke(context)
    sys.stdout.flush()
    return result


def _tell(error: BmError, as_json: bool) -> int:
    line = json.dumps(error.as_json()) if as_json else f"bmconsole: {clean(error.line())}"
    print(line, file=sys.stderr, flush=True)
    return error.exit


def _usage(error: click.UsageError) -> UsageError:
    parameter = getattr(error, "param", None)
    message = clean(error.format_message())
    path = error.ctx.command_path if error.ctx else "bmconsole"
    if error.ctx and isinstance(error.ctx.command, click.Group) and message.startswith("Missing command"):
        message = f"{path} needs a command: {', '.join(error.ctx.command.list_commands(error.ctx))}."
    return UsageError(
        message if message.endswith((".", "?", ")")) else f"{message}.",
        field=parameter.name if isinstance(parameter, click.Parameter) else None,
        hint=f"See: {path} --help",
    )


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _crashed(error: BaseException, as_json: bool) -> int:
    try:
        from bmconsole.crash import report

        told = f"The report is in {report(error)}."
    except Exception as trouble:
        # Whatever broke may break this too, and even then one line is what people get
        told = f"No report could be written ({type(trouble).__name__})."
    return _tell(BmError(f"Something went wrong inside ({type(error).__name__}).", hint=told), as_json)


def _told(words: str, report: str | None, as_json: bool) -> None:
    hint = f"The report is in {report}." if report else "No report could be written."
    with contextlib.suppress(OSError, ValueError):
        # Nobody may be there any more to read it
        _tell(BmError(words, hint=hint), as_json)


def _let_go_of_stdout() -> None:
    # The reader is gone or the disk full; without this Python would complain once more when it flushes at exit
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(io.UnsupportedOperation):
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, sys.stdout.fileno())
        os.close(quiet)
