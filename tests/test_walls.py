"""The walls of the house: imports run downwards only, and a few modules have something to themselves."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bmconsole

PACKAGE = Path(bmconsole.__file__).parent

PLAIN = {
    "errors",
    "hosts",
    "paths",
    "profile",
    "settings",
    "settings_file",
    "settings_checks",
    "credentials",
    "crash",
    "faults",
}
BASE = {"domain", "errors"}
INSTRUMENTS = {"backmarket", "store", "traffic"}
WORK = {"sync", "writes", "pricing", "engine", "remote", "inspection", "running"}
TOP = {
    *("workspace", "exports", "planning", "taking_back", "writing", "cache", "upkeep", "keeping", "doctor"),
    *("repricing", "overview", "beginning", "story", "listing_page"),
}

MAY_IMPORT = {
    # errors imports nothing of ours, so it may be used even where nothing else may
    "errors": set(),
    "domain": BASE,
    **dict.fromkeys(PLAIN - {"errors"}, BASE | PLAIN),
    "backmarket": BASE | PLAIN | {"backmarket"},
    "store": BASE | PLAIN | {"store"},
    "traffic": BASE | PLAIN | {"traffic", "store.sqlite"},
    "pricing": BASE | {"pricing"},
    **dict.fromkeys(WORK - {"pricing"}, BASE | PLAIN | INSTRUMENTS | WORK),
    **dict.fromkeys(TOP, BASE | PLAIN | INSTRUMENTS | WORK | TOP),
    "console": BASE | PLAIN | TOP | {"console"},
    "cli": BASE | PLAIN | TOP | {"cli", "console", "sandbox"},
    "__main__": {"cli"},
    "__init__": set(),
    "sandbox": {"sandbox"},
}
"""What each part may import of ours: a part, or one module of a part."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Give the line and full name of everything that a module imports, also inside functions."""
    inside = ["bmconsole", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def allowed(part: str, name: str) -> bool:
    inner = name.removeprefix("bmconsole.")
    return inner.startswith("__version__") or any(
        inner == target or inner.startswith(f"{target}.") for target in MAY_IMPORT[part]
    )


def test_every_part_of_the_package_has_its_walls() -> None:
    assert {part_of(path) for path in modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted({part_of(path) for path in modules()}))
def test_imports_run_downwards_only(part: str) -> None:
    climbing = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path in modules()
        if part_of(path) == part
        for line, name in imports(path)
        if name.split(".")[0] == "bmconsole" and not allowed(part, name)
    ]
    assert not climbing, "\n".join(climbing)


def test_the_walls_would_notice(tmp_path: Path) -> None:
    assert not allowed("console", "bmconsole.store.orders.page")
    assert not allowed("cli", "bmconsole.backmarket.client.Client")
    assert not allowed("traffic", "bmconsole.store.orders")
    assert allowed("traffic", "bmconsole.store.sqlite.sqlite3")
    assert not allowed("sandbox", "bmconsole.domain.money.Money")
    assert not allowed("domain", "bmconsole.store")
    assert not allowed("pricing", "bmconsole.profile.Profile")


def test_only_one_module_names_the_sqlite_module() -> None:
    named = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        for _, name in imports(path)
        if name.split(".")[0] in ("sqlite3", "pysqlite3") or name.startswith("sqlite_utils.utils")
    }
    assert named == {"store/sqlite.py"}


HTTP = {"httpx", "urllib", "http", "socket", "requests", "aiohttp"}


def test_store_and_pricing_know_no_network_and_backmarket_no_sql() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path in modules()
        for line, name in imports(path)
        if (part_of(path) in ("store", "pricing", "domain", "writes", "sync") and name.split(".")[0] in HTTP)
        or (part_of(path) == "backmarket" and name.split(".")[0] == "sqlite_utils")
        or (part_of(path) in ("pricing", "domain") and name.split(".")[0] in ("asyncio", "os", "pathlib", "subprocess"))
    ]
    assert not found, "\n".join(found)


SENDING = {"post_json", "patch_json", "post_file"}
"""The methods of the client that change something."""


def senders() -> set[str]:
    """Return the functions of `backmarket` that send anything but GET, as `module.function`."""
    found = set()
    for path in (PACKAGE / "backmarket").glob("*.py"):
        if path.name == "client.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and any(
                isinstance(inner, ast.Attribute) and inner.attr in SENDING for inner in ast.walk(node)
            ):
                found.add(f"{path.stem}.{node.name}")
    return found


def test_only_writes_sends_anything_but_get() -> None:
    sending = senders()
    assert "listings.update" in sending
    found = []
    for path in modules():
        if part_of(path) in ("backmarket", "writes", "sandbox"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        aliases = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "bmconsole.backmarket"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in SENDING or f"{aliases.get(owner, '')}.{node.attr}" in sending:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} sends with {owner}.{node.attr}")
        found += [
            f"{path.relative_to(PACKAGE)}:{line} imports {name}"
            for line, name in imports(path)
            if name.removeprefix("bmconsole.backmarket.") in sending
        ]
    assert not found, "\n".join(found)


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has after running `code`."""
    script = f"import sys; {code}; print('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_version_needs_no_heavy_import() -> None:
    loaded = loaded_by("from bmconsole.__main__ import main; assert main(['--version']) == 0")
    assert "bmconsole" in loaded
    assert not loaded & {
        "textual",
        "httpx",
        "pydantic",
        "pydantic_settings",
        "rich",
        "click",
        "asyncio",
        "sqlite_utils",
    }


def test_help_and_errors_need_no_heavy_import() -> None:
    for arguments in (["--json", "--version"], ["--help"], ["orders", "lst"]):
        loaded = loaded_by(f"from bmconsole.__main__ import main; main({arguments!r})")
        assert "click" in loaded
        assert not loaded & {"textual", "httpx", "pydantic", "rich", "sqlite_utils"}, arguments


def test_a_list_from_the_cache_needs_no_client() -> None:
    loaded = loaded_by("import bmconsole.cache, bmconsole.cli.orders")
    assert not loaded & {"textual", "httpx", "stamina", "rich", "uvicorn", "starlette"}
