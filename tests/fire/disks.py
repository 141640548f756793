"""Disks that a row makes for itself: they are mounted in a process of their own and go with it, however it ends."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fire.rows import Outcome, Task

IMAGE = 48 * 1024 * 1024
_ROOT = Path(__file__).parents[2]


def apart(module: str, task: Task) -> Outcome:
    """Run `inside(task)` of a module where mounts are its own, and return what it returns."""
    with tempfile.TemporaryFile("w+", dir=task.folder) as errors:
        child = subprocess.Popen(
            [*_own_mounts(), sys.executable, "-m", __name__, module, str(task.count), str(task.seed), task.folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=_ROOT,
        )
        outcome = Outcome()
        assert child.stdout is not None
        try:
            for line in child.stdout:
                told = json.loads(line)
                if "told" in told:
                    task.tell(told["told"])
                else:
                    outcome = Outcome(**told)
            child.wait()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        errors.seek(0)
        said = errors.read()
        if child.returncode or said:
            outcome.wrong.append(f"it ended with {child.returncode}: {said[-2_000:]}")
    return outcome


def no_tmpfs() -> str | None:
    """Return why a small disk in memory cannot be mounted here."""
    return _refusal(["mount", "-t", "tmpfs", "-o", "size=64k", "none"])


def no_loop() -> str | None:
    """Return why the image of a disk cannot be mounted here."""
    if os.name != "posix" or os.geteuid() != 0:
        return "it takes root to mount the image of a disk"
    if shutil.which("mkfs.ext4") is None:
        return "there is no mkfs.ext4"
    with tempfile.TemporaryDirectory() as made:
        image = blank_image(Path(made) / "image", 8 * 1024 * 1024)
        return _refusal(["mount", "-o", "loop", str(image)])


def blank_image(path: Path, size: int = IMAGE) -> Path:
    """Make the image of an empty ext4 disk."""
    with path.open("wb") as file:
        file.truncate(size)
    _call(["mkfs.ext4", "-q", "-F", str(path)])
    return path


@contextmanager
def mounted(words: Sequence[str], place: Path) -> Iterator[Path]:
    """Mount what `words` name at `place`, and take it away again."""
    place.mkdir(exist_ok=True)
    _call(["mount", *words, str(place)])
    try:
        yield place
    finally:
        _call(["umount", str(place)])


def _refusal(words: Sequence[str]) -> str | None:
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return "only Linux has mounts of a process's own"
    with tempfile.TemporaryDirectory() as place:
        tried = subprocess.run([*_own_mounts(), *words, place], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"this account may not mount: {tried.stderr.strip()[-200:]}"


def _own_mounts() -> list[str]:
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *root, "--fork", "--kill-child"]


def _call(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def _main(module: str, count: str, seed: str, folder: str) -> None:
    def say(**told: object) -> None:
        print(json.dumps(told), flush=True)

    task = Task(int(count), int(seed), Path(folder), lambda text: say(told=text))
    outcome: Outcome = importlib.import_module(module).inside(task)
    say(**vars(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
