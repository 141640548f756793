"""`auth` with the extra `keyring`: the real library in a child process, over a keyring in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox

pytest.importorskip("keyring", reason="the extra is not installed")

BACKEND = """
import json, os
from pathlib import Path
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

FILE = Path(os.environ["FILE_OF_KEYRING"])

class Filed(KeyringBackend):
    priority = 1

    def kept(self):
        if FILE.with_suffix(".locked").exists():
            raise KeyringLocked("the secret that must not be shown")
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self.kept().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self.kept() | {f"{service}/{username}": password}))

    def delete_password(self, service, username):
        kept = self.kept()
        if f"{service}/{username}" not in kept:
            raise PasswordDeleteError("there is none")
        del kept[f"{service}/{username}"]
        FILE.write_text(json.dumps(kept))
"""


class Machine:
    """A machine with a keyring, and the program on it."""

    def __init__(self, folder: Path, shop: RunningSandbox) -> None:
        (folder / "filed_keyring.py").write_text(BACKEND, encoding="utf-8")
        self.keyring = folder / "keyring.json"
        self.paths = Paths.under(folder / "home")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
        search = os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH")) if part)
        self.environment = kept | {
            "BMCONSOLE_HOME": str(folder / "home"),
            "BMCONSOLE_BASE_URL": shop.url,
            "BMCONSOLE_MARKETS": "fr-fr",
            "BMCONSOLE_ACCESS": "admin",
            "PYTHON_KEYRING_BACKEND": "filed_keyring.Filed",
            "FILE_OF_KEYRING": str(self.keyring),
            "PYTHONPATH": search,
        }

    def run(self, *arguments: str, stdin: str = "", **changes: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bmconsole", *arguments],
            input=stdin, capture_output=True, text=True, timeout=60, check=False, env=self.environment | changes,
        )  # fmt: skip

    def source(self) -> str:
        """Return where the token comes from, as `auth status` names it; it works."""
        done = self.run("auth", "status", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["works"] is True
        return str(told["source"])


@pytest.fixture
def machine(tmp_path: Path, shop: RunningSandbox) -> Machine:
    return Machine(tmp_path, shop)


def test_the_keyring_keeps_tells_and_forgets_the_token(machine: Machine, shop: RunningSandbox) -> None:
    file = machine.paths.token_file("default")
    in_file = machine.run("auth", "set", stdin=f"{shop.token}\n")
    assert in_file.returncode == 0
    assert machine.source() == str(file)
    kept = machine.run("auth", "set", "--keyring", stdin=f"{shop.token}\n")
    assert kept.returncode == 0
    assert "is in the keyring" in kept.stderr
    assert f"{file} still holds one" in kept.stderr
    assert json.loads(machine.keyring.read_text()) == {"bmconsole/default": shop.token}
    assert machine.source() == "keyring"
    again = machine.run("auth", "set", stdin=f"{shop.token}\n")
    assert "not used as long as the one in the keyring is set" in again.stderr
    gone = machine.run("auth", "forget", "--json")
    assert json.loads(gone.stdout)["forgotten"] == ["keyring", str(file)]
    assert json.loads(machine.keyring.read_text()) == {}
    assert not file.exists()
    assert machine.run("auth", "forget").returncode == 2
    assert machine.run("auth", "status").returncode == 2
    assert not any(shop.token in done.stdout + done.stderr for done in (in_file, kept, again, gone))


def test_profiles_have_a_token_each_and_replacing_one_takes_an_admin(machine: Machine) -> None:
    for name in ("eu", "us"):
        assert machine.run("auth", "set", "--keyring", "--profile", name, stdin=f"of-{name}").returncode == 0
    assert json.loads(machine.keyring.read_text()) == {"bmconsole/eu": "of-eu", "bmconsole/us": "of-us"}
    for command in (("set", "--keyring"), ("set",), ("forget",)):
        refused = machine.run("auth", *command, "--profile", "eu", stdin="other", BMCONSOLE_ACCESS="operator")
        assert refused.returncode == 3
    assert machine.run("auth", "forget", "--profile", "eu").returncode == 0
    assert json.loads(machine.keyring.read_text()) == {"bmconsole/us": "of-us"}


def test_a_keyring_that_is_locked_or_keeps_nothing_is_said(machine: Machine) -> None:
    for backend in ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"):
        nothing = machine.run("auth", "set", "--keyring", stdin="abc", PYTHON_KEYRING_BACKEND=backend)
        assert nothing.returncode == 2
        assert "No keyring here keeps anything." in nothing.stderr
    machine.keyring.with_suffix(".locked").touch()
    for command in (("set", "--keyring"), ("forget",), ("status",)):
        locked = machine.run("auth", *command, stdin="abc")
        assert locked.returncode == 2
        assert "The keyring did not answer (KeyringLocked)." in locked.stderr
        assert "must not be shown" not in locked.stderr
    assert not machine.keyring.exists()
