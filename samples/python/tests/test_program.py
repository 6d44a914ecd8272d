"""Running the program, with a stand-in: no Airflow, no Houston."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Callable

import pytest

from houston_onboard.program import MARGIN, Program, parse, plan_path, safe

Fake = Callable[[str], Path]
Lines = list[tuple[int, str]]


def opened(lines: Lines, grace: float = 20.0, **environment: str) -> Program:
    return Program(lambda level, text: lines.append((level, text)), environment, grace)


def test_lines_come_with_their_level_and_the_hint(fake: Fake) -> None:
    fake(
        "for level in ('debug', 'info', 'warning', 'error'):\n"
        "    print(json.dumps(dict(level=level, text=level, hint='do' if level == 'error' else None)), file=sys.stderr)\n"
        "print('panic', file=sys.stderr)\n"
        "print('data')\n"
        "sys.exit(6)\n"
    )
    lines: Lines = []
    result = opened(lines).run("version")
    assert lines[1:] == [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (logging.ERROR, "error\n  do"),
        (logging.WARNING, "panic"),
    ]
    assert (result.status, result.output) == (6, "data\n")
    assert "6 (some rows failed for good)" in result.describe("apply")


def test_a_line_is_passed_on_while_the_program_runs(fake: Fake) -> None:
    folder = fake(
        "print(json.dumps(dict(level='info', text='begun')), file=sys.stderr, flush=True)\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
    )
    go_on = folder / "go-on"

    def log(_: int, text: str) -> None:
        if text == "begun":
            go_on.touch()  # Without this the program never ends.

    assert Program(log, {}).run(str(go_on)).status == 0


@pytest.mark.parametrize("line", ["", "[]", "1", '{"level":"info"}', '{"level":1,"text":"x"}', "{"])
def test_a_line_that_is_no_entry_is_passed_on_as_it_is(line: str) -> None:
    assert parse(line) == (logging.WARNING, line)


def test_the_summary_is_read_also_of_a_failure(fake: Fake) -> None:
    fake(
        "open(sys.argv[sys.argv.index('--summary-file') + 1], 'w').write(json.dumps(dict(error=dict(text='no', hint='so'))))\n"
        "sys.exit(5)\n"
    )
    result = opened([]).summarise("plan")
    assert result.status == 5
    assert result.describe("plan").endswith("(the target is unusable or its policy refuses): no: so")


def test_a_program_without_a_summary_has_an_empty_one(fake: Fake) -> None:
    fake("sys.exit(1)\n")
    assert opened([]).summarise("plan").summary == {}


def test_the_environment_of_airflow_is_withheld(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    fake("print(json.dumps(dict(os.environ)))\n")
    lines: Lines = []
    output = opened(lines, HOUSTON_API_TOKEN="token-in-environment").run("plan").output
    assert "AIRFLOW" not in output
    assert "HTTPS_PROXY" in output
    assert "token-in-environment" in output
    assert "token-in-environment" not in str(lines), "the log has the arguments only"


def test_a_stop_lets_the_program_finish_and_sends_one_signal(fake: Fake) -> None:
    fake(
        "signals = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: signals.append(1))\n"
        "print(json.dumps(dict(level='info', text='ready')), file=sys.stderr, flush=True)\n"
        "while not signals: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(len(signals))\n"
        "sys.exit(143)\n"
    )
    ready = threading.Event()
    program = Program(lambda _, text: ready.set() if text == "ready" else None, {})

    def stop_twice() -> None:
        ready.wait()
        for _ in range(2):
            threading.Thread(target=program.stop).start()

    threading.Thread(target=stop_twice).start()
    result = program.run("apply")
    assert (result.status, result.output, program.stopped) == (143, "1\n", True)


def test_a_signal_handler_can_stop_it_while_this_thread_waits(fake: Fake) -> None:
    # As Airflow does it: SIGTERM to the process of the task, whose handler calls `on_kill`.
    import signal

    fake("print(json.dumps(dict(level='info', text='ready')), file=sys.stderr, flush=True)\nsignal.pause()\n")
    program = Program(lambda _, text: os.kill(os.getpid(), signal.SIGTERM) if text == "ready" else None, {})
    before = signal.signal(signal.SIGTERM, lambda *_: program.stop())
    began = time.monotonic()
    try:
        assert program.run("apply").status == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - began < MARGIN, "it was not waited for the end of the grace"


def test_a_program_that_does_not_stop_is_killed(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("houston_onboard.program.MARGIN", 0.0)
    fake(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(json.dumps(dict(level='info', text='ready')), file=sys.stderr, flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    lines: Lines = []
    ready = threading.Event()

    def log(level: int, text: str) -> None:
        lines.append((level, text))
        if text == "ready":
            ready.set()

    program = Program(log, {}, grace=0.05)
    threading.Thread(target=lambda: ready.wait() and program.stop()).start()
    assert program.run("apply").status == -9
    assert any("killed" in text for _, text in lines)


def test_an_exception_while_it_waits_stops_the_program(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    # As Airflow does it at the end of an execution_timeout: SIGALRM, whose handler raises.
    import signal

    fake("print(json.dumps(dict(level='info', text='ready')), file=sys.stderr, flush=True)\nsignal.pause()\n")

    def raise_timeout(*_: object) -> None:
        raise TimeoutError

    program = Program(lambda _, text: os.kill(os.getpid(), signal.SIGALRM) if text == "ready" else None, {})
    before = signal.signal(signal.SIGALRM, raise_timeout)
    try:
        with pytest.raises(TimeoutError):
            program.run("apply")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert program.stopped


def test_names_of_plans_are_safe_and_differ_in_what_they_mean(tmp_path: Path) -> None:
    run = "manual__2026-11-28T08:00:00+00:00"
    path = plan_path(tmp_path, "sync", run, "apply", "/a.csv", None)
    assert path.parent == tmp_path / "sync" / "manual__2026-11-28T08_00_00_00_00"
    assert path == plan_path(tmp_path, "sync", run, "apply", "/a.csv", None)
    others = [
        plan_path(tmp_path, "sync", run.replace("+", ":"), "apply", "/a.csv", None),
        plan_path(tmp_path, "sync", run, "apply", "/b.csv", None),
        plan_path(tmp_path, "sync", run, "apply", "/a.csv", "1/2"),
        plan_path(tmp_path, "sync", run, "apply", "/a.csv", None, "--prune"),
    ]
    assert len({path, *others}) == 5
    assert [safe(name) for name in ("..", "../../etc", "a/b", "")] == ["_", "_.._etc", "a_b", "_"]
