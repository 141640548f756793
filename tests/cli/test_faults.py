"""What goes wrong in a command where nobody waits for it: one line, a report without values, and it goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOKEN = "canary-token-7f3a91"
BUYER = "Canaria Testbuyer"

PROGRAM = """
import asyncio, sys, threading
from bmconsole.__main__ import main
from bmconsole.cli import costs
from bmconsole.cache import Cache

where, token, buyer, *arguments = sys.argv[1:]

def fail():
    held = {"token": token, "buyer": buyer}
    raise LookupError(f"{held} in {token} of {buyer}")

async def task():
    fail()

class Cleaned:
    def __del__(self):
        fail()

asked = Cache.events

async def events(self, **about):
    if where == "thread":
        thread = threading.Thread(target=fail, name=token)
        thread.start()
        await asyncio.to_thread(thread.join)
    elif where == "task":
        asyncio.get_running_loop().create_task(task(), name=buyer)
        await asyncio.sleep(0.05)
    else:
        Cleaned()
    return await asked(self, **about)

Cache.events = events
sys.exit(main(arguments))
"""


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("where", "words"), [("thread", "a thread"), ("task", "a task"), ("clean", "cleaning up")])
def test_a_fault_in_the_background_of_a_command_is_one_line(home: Path, where: str, words: str, as_json: bool) -> None:
    command = [sys.executable, "-c", PROGRAM, where, TOKEN, BUYER, "log", *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    told = json.loads(line)["error"]["message"] if as_json else line
    assert f"Something went wrong in {words} in the background (LookupError)." in told
    (file,) = home.rglob("crashes/*.txt")
    assert str(file) in line
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert " in fail" in text
    for secret in (TOKEN, *BUYER.split()):
        assert secret not in text + done.stdout + done.stderr
