"""Runs houston-onboard as a child process: log lines as they come, its summary, and a clean stop.

Nothing here needs Airflow.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from houston_onboard import find_program

DONE = 0
PLAN_IS_STALE = 9
UNCHANGED = 99
"""The exit status that the operators request with ``--exit-code-unchanged``."""

RETRIABLE = frozenset({8, 11})
"""The statuses after which the same command can succeed later."""

MEANING = {
    DONE: "everything is done",
    1: "internal error, or the run folder cannot be written",
    2: "usage error, or a confirmation is missing",
    3: "the roster or another input file is bad",
    4: "the token is missing or no longer valid",
    5: "the target is unusable or its policy refuses",
    6: "some rows failed for good",
    7: "a guard refused",
    8: "rows are left that a later try can settle",
    PLAN_IS_STALE: "the saved plan no longer fits the target",
    10: "changes are pending",
    11: "another run holds the lock for this target",
    UNCHANGED: "nothing had to be changed",
    130: "interrupted; the run can be resumed",
    143: "terminated; the run can be resumed",
}

MARGIN = 15.0
"""Seconds beyond ``--grace`` in which a stopped program writes its reports, before it is killed."""

Log = Callable[[int, str], None]


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    status: int
    """The exit status; negative if a signal killed the program."""
    output: str
    """Standard output."""
    summary: Mapping[str, Any]
    """The object in the file of ``--summary-file``; empty if there is none."""

    @property
    def error(self) -> Optional[Mapping[str, str]]:
        """Why the command failed before its end: ``text``, and ``hint`` if there is one."""
        return self.summary.get("error")

    def describe(self, command: str) -> str:
        """Return the status, its meaning and the error of the program in one line."""
        meaning = MEANING.get(self.status, "unknown status")
        parts = [f"houston-onboard {command} ended with {self.status} ({meaning})"]
        if self.error:
            parts += [self.error[key] for key in ("text", "hint") if self.error.get(key)]
        return ": ".join(parts)


class Program:
    """The program with an environment. One command at a time; ``stop`` may be called from a signal handler."""

    def __init__(self, log: Log, environment: Mapping[str, str], grace: float = 20.0) -> None:
        """Prepare to run commands.

        :param log: receives each line of standard error with its level.
        :param environment: variables beside those of this process. Those of Airflow are withheld.
        :param grace: seconds for which ``stop`` lets requests in flight finish.
        """
        self.stopped = False
        self._log = log
        self._grace = grace
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self._environment = {**inherited, **environment}
        self._process: Optional[subprocess.Popen[str]] = None

    def change(self, command: str, *arguments: str) -> Result:
        """Run a command that changes Houston: its signals drain, and it writes a summary."""
        return self.summarise(command, *arguments, "--grace", f"{self._grace:g}s")

    def summarise(self, command: str, *arguments: str) -> Result:
        """Run a command that has ``--summary-file``."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "summary.json")
            result = self.run(command, *arguments, "--summary-file", str(file))
            text = file.read_text("utf-8") if file.exists() else "{}"
        return Result(result.status, result.output, json.loads(text))

    def run(self, *arguments: str) -> Result:
        """Run a command to its end. However this method is left, the program has ended."""
        command = [find_program(), *arguments, "--log-format", "json", "--progress", "plain", "--color", "never"]
        self._log(logging.INFO, f"running {' '.join(command)}")
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                # The signals that Airflow sends to its process group reach the program through `stop`, once.
                start_new_session=True,
            )
            assert process.stderr is not None
            self._process = process
            ended = threading.Event()
            threading.Thread(target=self._forward, args=(process.stderr, ended), daemon=True).start()
            try:
                # `process.wait` holds a lock that a signal handler on this thread could never take.
                ended.wait()
            except BaseException:
                self.stop()
                raise
            process.wait()
            output.seek(0)
            return Result(process.returncode, output.read(), {})

    def stop(self) -> None:
        """Send SIGTERM, so that requests in flight finish, wait for that, and kill what is left."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if not self.stopped:  # A second signal would end it at once.
            self.stopped = True
            process.terminate()
        try:
            process.wait(self._grace + MARGIN)
        except subprocess.TimeoutExpired:
            self._log(logging.ERROR, "the program did not stop in time and is killed; the next try resumes the run")
            process.kill()
            process.wait()

    def _forward(self, lines: Iterable[str], ended: threading.Event) -> None:
        try:
            for line in lines:
                self._log(*parse(line.rstrip("\n")))
        finally:
            ended.set()


def parse(line: str) -> tuple[int, str]:
    """Return level and text of a line of ``--log-format json``; any other line is a warning as it stands."""
    try:
        entry = json.loads(line)
        text, level = entry["text"], logging.getLevelName(entry["level"].upper())
    except (ValueError, LookupError, TypeError, AttributeError):
        return logging.WARNING, line
    if entry.get("hint"):
        text = f"{text}\n  {entry['hint']}"
    return level if isinstance(level, int) else logging.WARNING, text


def safe(text: str) -> str:
    """Return a name for files: letters, digits, ``_``, ``-`` and dots inside, at most 100 characters."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip(".")[:100] or "_"


def plan_path(folder: Path, dag_id: str, run_id: str, task_id: str, *meaning: Optional[str]) -> Path:
    """Return where the plan of a task in a DAG run belongs.

    :param meaning: what the plan is made of: roster, shard, flags. Another meaning is another file, so that
        a changed task never applies a plan that it would no longer make.
    """
    key = json.dumps([dag_id, run_id, task_id, *meaning])
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return folder / safe(dag_id) / safe(run_id) / f"{safe(task_id)}-{digest}.json"
