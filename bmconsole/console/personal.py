"""What belongs to the operator: saved views, changed keys, and where the console was left."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bmconsole.console.actions import ACTIONS
from bmconsole.domain.filters import nearest, parse_filter
from bmconsole.domain.text import clean
from bmconsole.errors import BmError, SettingsError
from bmconsole.paths import Paths, write_private


@dataclass(frozen=True, slots=True)
class View:
    """A filter with a name. `sort` and `columns` stay as they are where empty."""

    table: str
    name: str
    where: str
    sort: str = ""
    columns: tuple[str, ...] = ()


BUILT_IN = (
    View("orders", "to accept", "status:to-accept", "due"),
    View("orders", "to ship today", "status:to-ship due<=today", "due"),
    View("orders", "to ship", "status:to-ship", "due"),
    View("orders", "late", "late", "due"),
    View("orders", "unfinished writes", "pending"),
    View("listings", "out of stock", "out-of-stock publication:online"),
    View("listings", "winnable", "winnable", "-gap"),
    View("listings", "blocked", "blocked", "-gap"),
    View("listings", "above max price", "above-max"),
    View("listings", "unfinished writes", "pending"),
)


def read_views(file: Path) -> tuple[View, ...]:
    """Return the built-in views, then those of `views.toml`: `[orders.NAME]` with `where`, `sort`, `columns`.

    Raises:
        SettingsError: The file cannot be read; the message names the place.
    """
    own: list[View] = []
    for table, views in _toml(file).items():
        if table not in ("orders", "listings") or not isinstance(views, dict):
            raise _fault(file, table, "A view is a table under orders or listings.", "Write [orders.mine].")
        for name, values in views.items():
            if not isinstance(values, dict) or not isinstance(values.get("where", ""), str):
                raise _fault(file, name, f"The view {_shown(name)} needs a filter.", 'Write where = "late".')
            if wrong := sorted(set(values) - {"where", "sort", "columns"}):
                raise _fault(file, wrong[0], f"A view has no {_shown(wrong[0])}.", "It has where, sort and columns.")
            try:
                parse_filter(values.get("where", ""), table)
            except BmError as error:
                raise _fault(file, name, f"The view {_shown(name)}: {error.message}", error.hint or "") from None
            columns = values.get("columns", [])
            if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
                raise _fault(file, "columns", f"The columns of {_shown(name)} are a list of names.", "")
            own.append(View(table, name, values.get("where", ""), str(values.get("sort", "")), tuple(columns)))
    return (*BUILT_IN, *own)


def read_keys(file: Path) -> dict[str, str]:
    """Return the keys of `keys.toml` by action name, as Textual takes them: `"rows.sort" = "o"` or a list of keys.

    Raises:
        SettingsError: The file cannot be read, or names an action that there is not.
    """
    names = {action.name for action in ACTIONS}
    keymap: dict[str, str] = {}
    for name, value in _flat(_toml(file)):
        if name not in names:
            near = nearest(name, names)
            raise _fault(
                file,
                name,
                f"There is no action {_shown(name)}.",
                f"Did you mean {near}?" if near else "The help (?) lists them all.",
            )
        keys = value if isinstance(value, list) else [value]
        if not keys or not all(isinstance(key, str) and key for key in keys):
            raise _fault(file, name, f"{name} needs a key, or a list of keys.", 'Write "x" or ["x", "ctrl+x"].')
        keymap[name] = ",".join(str(key) for key in keys)
    taken: dict[tuple[str, str], str] = {}
    for action in ACTIONS:
        for key in keymap.get(action.name, ",".join(action.keys)).split(","):
            other = taken.setdefault((action.scope, key), action.name)
            if other != action.name:
                culprit = action.name if action.name in keymap else other
                raise _fault(file, culprit, f"{key} would be both {other} and {action.name}.", "Give one another key.")
    return keymap


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {clean(error, limit=200)}.", field=file.name) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {clean(error, limit=200)}.", field=file.name) from None
    except RecursionError:
        raise SettingsError(f"{file} is nested too deeply.", field=file.name) from None


def _fault(file: Path, name: str, message: str, hint: str) -> SettingsError:
    """Return an error that tells the line on which `name` is written."""
    lines = file.read_text(encoding="utf-8").splitlines()
    last = re.escape(name.rpartition(".")[2])
    number = next((at for at, line in enumerate(lines, 1) if re.search(rf"(?<![\w-]){last}(?![\w-])", line)), 1)
    return SettingsError(f"{file}, line {number}: {message}", field=_shown(name), hint=hint or None)


def _shown(name: str) -> str:
    return clean(name, limit=60)


@dataclass
class TableState:
    """How a table was left."""

    where: str = ""
    sort: str = ""
    columns: list[str] = field(default_factory=list)
    cursor: str = ""
    past: list[str] = field(default_factory=list)


@dataclass
class State:
    """How the console was left."""

    tab: str = ""
    theme: str = ""
    market: str = ""
    commands: list[str] = field(default_factory=list)
    orders: TableState = field(default_factory=TableState)
    listings: TableState = field(default_factory=TableState)


def state_file(paths: Paths, profile: str) -> Path:
    """Return where the state of a profile's console is kept."""
    return paths.state / f"console-{profile}.json"


def read_state(file: Path) -> State:
    """Return the state; a new one where there is none or it cannot be understood (it holds nothing of worth)."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        for name in ("orders", "listings"):
            values[name] = TableState(**values.get(name, {}))
        state = State(**values)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return State()
    return state if _fits(state) else State()


def _fits(kept: State | TableState) -> bool:
    """Return whether every value is of the kind that this version keeps there."""
    for name, usual in vars(type(kept)()).items():
        value = getattr(kept, name)
        if type(value) is not type(usual):
            return False
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            return False
        if isinstance(value, TableState) and not _fits(value):
            return False
    return True


def write_state(file: Path, state: State) -> None:
    """Keep the state; raises DiskTrouble."""
    write_private(file, json.dumps(asdict(state)))


@dataclass(frozen=True, slots=True)
class Personal:
    """All of it, for one profile."""

    keys: dict[str, str]
    views: tuple[View, ...]
    state: State
    state_file: Path

    @classmethod
    def read(cls, paths: Paths, profile: str) -> "Personal":
        """Read `keys.toml` and `views.toml` of the configuration, and the profile's state; raises SettingsError."""
        file = state_file(paths, profile)
        config = paths.config_file.parent
        return cls(read_keys(config / "keys.toml"), read_views(config / "views.toml"), read_state(file), file)
