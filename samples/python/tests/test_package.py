"""The package: the program in it, and its types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import houston_onboard
from houston_onboard.program import MEANING, UNCHANGED


@pytest.fixture(scope="module")
def program() -> str:
    try:
        return houston_onboard.find_program()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def output_of(*command: str) -> str:
    folder = Path(houston_onboard.__file__).parents[1]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", cwd=folder).stdout


def test_the_module_is_the_program(program: str) -> None:
    assert output_of(sys.executable, "-m", "houston_onboard", "--version") == output_of(program, "--version")


def test_every_exit_status_has_a_meaning(program: str) -> None:
    topic = output_of(program, "help", "exit-status")
    listed = {int(number) for line in re.findall(r"^ *([0-9][0-9, ]*)  ", topic, re.M) for number in line.split(", ")}
    assert listed | {UNCHANGED} == set(MEANING)


def test_the_package_has_types() -> None:
    assert Path(houston_onboard.__file__).with_name("py.typed").exists()
