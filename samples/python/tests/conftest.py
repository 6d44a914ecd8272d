"""A stand-in for the program, and a sandbox of the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "True")  # Operators may be executed without a DAG run.
try:
    from houston_onboard import find_program
except ImportError:  # The wheel is not installed.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from houston_onboard import find_program

ROSTER = """email,role,workspace
ana.silva@example.com,viewer,Data Platform
ben.okafor@example.com,editor,Finance
chen.wei@example.com,viewer,Machine Learning
"""


@dataclass
class Sandbox:
    """A Houston on loopback."""

    url: str
    token: str


@pytest.fixture(scope="session", autouse=True)
def _only_our_settings() -> None:
    """The settings of whoever runs this must not decide what the tests see, nor may their tokens."""
    for name in [name for name in os.environ if name.startswith(("HOUSTON_", "ASTRO_"))]:
        del os.environ[name]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of the real program, which is skipped where there is none."""
    try:
        program = find_program()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    command = [program, "sandbox", "--port", "0", "--latency", "0ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[1]
            token = process.stdout.readline().split()[1]
            yield Sandbox(url, token)
        finally:
            process.terminate()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a Python script in the place of the program; its folder is returned."""

    def write(body: str) -> Path:
        script = tmp_path / "fake-program"
        script.write_text(f"#!{sys.executable}\nimport json, os, sys, time, signal\n{body}")
        script.chmod(0o755)
        monkeypatch.setattr("houston_onboard.program.find_program", lambda: str(script))
        return tmp_path

    return write


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """Three people who are nobody yet."""
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    return path
