"""The README's command reference says what the commands are."""

import os

import click
import pytest

from bmconsole.cli.main import app
from tests.cli.reference import README, commands, reference, written


def test_the_reference_in_the_readme_is_that_of_the_commands() -> None:
    there = written(README.read_text(encoding="utf-8"))
    assert there, "the README has lost the marks of its reference"
    assert there == reference(), "run: python -m tests.cli.reference --write"


@pytest.mark.skipif(os.name != "posix", reason="one system is enough")
def test_every_command_explains_itself_and_every_option() -> None:
    for whole, command in commands(app, "bmconsole"):
        assert command.help, whole
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{whole} {parameter.name}"
