"""The operators, executed without a DAG run: against a stand-in, and against a sandbox."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import Sandbox

pytest.importorskip("airflow")

from houston_onboard import airflow  # noqa: E402
from houston_onboard.airflow import (  # noqa: E402
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    OnboardMergeOperator,
    OnboardOperator,
    OnboardPlanOperator,
)

RUN_ID = "manual__2026-11-28T08:00:00+00:00"
CONNECTION = "AIRFLOW_CONN_HOUSTON"


class TaskInstance:
    """What the operators use of one."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


class Task:
    """Executes an operator as a task of one DAG run."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.ti = TaskInstance()

    def execute(self) -> Any:
        return self.operator.execute({"ti": self.ti, "run_id": RUN_ID})


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def connected(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    connection = {"conn_type": "http", "host": sandbox.url, "password": sandbox.token}
    monkeypatch.setenv(CONNECTION, json.dumps(connection))
    return sandbox


def onboard(runs_dir: Path, **arguments: Any) -> Task:
    return Task(OnboardOperator(task_id="onboard", runs_dir=str(runs_dir), houston_conn_id="houston", **arguments))


def fake_apply(status: int) -> str:
    """A program whose plans succeed, and whose apply ends with a status and notes how often it was called."""
    return (
        "def put(flag, value): open(sys.argv[sys.argv.index(flag) + 1], 'w').write(json.dumps(value))\n"
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'calls'), 'a').write(sys.argv[1] + '\\n')\n"
        "if sys.argv[1] == 'plan':\n"
        "    put('--out', {})\n"
        "    put('--summary-file', dict(error=None, plan_digest='d' * 64))\n"
        "    sys.exit(0)\n"
        f"put('--summary-file', dict(error=None, exit_status={status}))\n"
        f"sys.exit({status})\n"
    )


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION, json.dumps({"conn_type": "http", "password": "a-token"}))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 99, 130, 143])
def test_a_status_decides_whether_a_retry_makes_sense(
    status: int, fake: Callable[[str], Path], roster: Path, runs_dir: Path
) -> None:
    fake(fake_apply(status))
    task = onboard(runs_dir, roster=str(roster))
    with pytest.raises(Exception, match=f"ended with {status} ") as raised:
        task.execute()
    expected = {8: AirflowException, 11: AirflowException, 99: AirflowSkipException}
    assert raised.type is expected.get(status, AirflowFailException)
    assert task.ti.pushed["return_value"]["exit_status"] == status, "also a failure has its summary"


@pytest.mark.usefixtures("offline")
def test_a_retry_applies_the_plan_of_the_first_try(fake: Callable[[str], Path], roster: Path, runs_dir: Path) -> None:
    folder = fake(fake_apply(8))
    for _ in range(2):
        with pytest.raises(AirflowException):
            onboard(runs_dir, roster=str(roster)).execute()
    assert (folder / "calls").read_text().split() == ["plan", "apply", "apply"]


@pytest.mark.usefixtures("offline")
def test_a_stale_plan_is_made_again_when_the_task_is_cleared(
    fake: Callable[[str], Path], roster: Path, runs_dir: Path
) -> None:
    folder = fake(fake_apply(9))
    for _ in range(2):
        with pytest.raises(AirflowFailException):
            onboard(runs_dir, roster=str(roster)).execute()
    assert (folder / "calls").read_text().split() == ["plan", "apply", "plan", "apply"]


@pytest.mark.usefixtures("offline")
def test_a_stopped_task_may_be_retried(fake: Callable[[str], Path], roster: Path, runs_dir: Path) -> None:
    folder = fake(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'ready'), 'w')\n"
        "signal.pause()\n"
    )
    task = onboard(runs_dir, roster=str(roster))

    def kill() -> None:
        while not (folder / "ready").exists():
            time.sleep(0.01)
        task.operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AirflowException, match="a retry resumes the run") as raised:
        task.execute()
    killer.join()
    assert raised.type is AirflowException


def test_a_roster_is_applied_and_its_summary_returned(connected: Sandbox, roster: Path, runs_dir: Path) -> None:
    summary = onboard(runs_dir, roster=str(roster)).execute()
    assert (summary["exit_status"], summary["rows"], summary["target"]) == (0, 3, connected.url)
    assert summary["counts"]["added"] + summary["counts"]["invited"] == 3
    again = onboard(runs_dir, roster=str(roster)).execute()
    assert again["run"] == summary["run"], "the same DAG run does not begin a second run"


@pytest.mark.usefixtures("connected")
def test_the_same_people_again_skip_the_task(roster: Path, runs_dir: Path) -> None:
    onboard(runs_dir, roster=str(roster)).execute()
    flags = {"plan_arguments": ["--on-conflict", "last"]}
    with pytest.raises(AirflowSkipException):
        onboard(runs_dir, roster=str(roster), **flags).execute()
    plan = {"task_id": "plan", "roster": str(roster), "runs_dir": str(runs_dir), "houston_conn_id": "houston"}
    with pytest.raises(AirflowSkipException):
        Task(OnboardPlanOperator(**plan)).execute()
    planned = Task(OnboardPlanOperator(**plan, skip_unchanged=False)).execute()
    assert planned["changes"] == 0
    unchanged = onboard(runs_dir, plan_file=planned["plan_file"], skip_unchanged=False)
    assert unchanged.execute()["exit_status"] == 0, "the plan does not make it a skipped task"
    summary = onboard(runs_dir, roster=str(roster), skip_unchanged=False, shard="1/1", **flags).execute()
    assert summary["exit_status"] == 0


@pytest.mark.usefixtures("connected")
def test_a_plan_is_approved_by_its_digest(roster: Path, runs_dir: Path) -> None:
    planned = Task(
        OnboardPlanOperator(task_id="plan", roster=str(roster), runs_dir=str(runs_dir), houston_conn_id="houston")
    ).execute()
    assert planned["changes"] == 3
    assert "ana.silva@example.com" in planned["markdown"]
    wrong = onboard(runs_dir, plan_file=planned["plan_file"], approve="0" * 64)
    with pytest.raises(AirflowFailException, match="ended with 2 .*not the approved one"):
        wrong.execute()
    right = onboard(runs_dir, plan_file=planned["plan_file"], approve=planned["digest"], approved_by="Ana")
    assert right.execute()["approved_by"] == "Ana"


@pytest.mark.usefixtures("connected")
def test_a_retry_resumes_the_run(roster: Path, runs_dir: Path) -> None:
    rows = [f"person.{i}@example.com,viewer,Finance\n" for i in range(12)]
    roster.write_text("email,role,workspace\n" + "".join(rows))
    first = onboard(runs_dir, roster=str(roster), apply_arguments=["--max-duration", "1ms", "--rate", "20/s"])
    with pytest.raises(AirflowException, match="ended with 8 ") as raised:
        first.execute()
    assert raised.type is AirflowException
    summary = onboard(runs_dir, roster=str(roster)).execute()
    assert summary["run"] == first.ti.pushed["return_value"]["run"]
    assert (summary["exit_status"], summary["legs"]) == (0, 2)


def test_the_token_is_in_no_log_and_no_file(
    connected: Sandbox, roster: Path, runs_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        onboard(runs_dir, roster=str(roster)).execute()
    secret = connected.token.rsplit(".", 1)[1]
    assert secret not in caplog.text
    files = [path for path in runs_dir.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


@pytest.mark.usefixtures("connected")
def test_a_bad_roster_fails_without_a_run(tmp_path: Path, runs_dir: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("email,role,workspace\nnobody,viewer,Finance\n")
    with pytest.raises(AirflowFailException, match="plan ended with 3 "):
        onboard(runs_dir, roster=str(bad)).execute()
    assert list(runs_dir.glob("2*")) == []


@pytest.mark.usefixtures("connected")
def test_shards_of_one_plan_are_joined(roster: Path, runs_dir: Path, tmp_path: Path) -> None:
    shared = {"runs_dir": str(runs_dir), "houston_conn_id": "houston"}
    planned = Task(OnboardPlanOperator(task_id="plan", roster=str(roster), **shared)).execute()
    summaries = [onboard(runs_dir, plan_file=planned["plan_file"], shard=f"{i}/2").execute() for i in (1, 2)]
    assert sum(summary["rows"] for summary in summaries) == 3
    out = tmp_path / "merged"
    whole = Task(OnboardMergeOperator(task_id="merge", runs=summaries, out=str(out), runs_dir=str(runs_dir)))
    assert whole.execute()["rows"] == 3
    assert (out / "results.csv").exists()
    for runs in ([], [*summaries, None]):
        missing = OnboardMergeOperator(task_id="merge", runs=runs, out=str(out), runs_dir=str(runs_dir))
        with pytest.raises(AirflowFailException, match="shards began no run"):
            Task(missing).execute()
    half = OnboardMergeOperator(task_id="merge", runs=summaries[:1], out=str(out), runs_dir=str(runs_dir))
    with pytest.raises(AirflowFailException, match="ended with 2 "):
        Task(half).execute()


@pytest.mark.usefixtures("connected")
def test_a_shard_with_nothing_to_do_is_not_skipped(runs_dir: Path, tmp_path: Path) -> None:
    roster = tmp_path / "finance.csv"
    roster.write_text("email,role,workspace\nana.silva@example.com,viewer,Finance\n")
    shared = {"runs_dir": str(runs_dir), "houston_conn_id": "houston"}
    for task_id in ("plan", "again"):
        plan = OnboardPlanOperator(
            task_id=task_id,
            roster=str(roster),
            plan_arguments=["--exit-code-unchanged", "99"],  # The plan has it saved.
            skip_unchanged=False,
            **shared,
        )
        plan_file = Task(plan).execute()["plan_file"]
        summaries = [onboard(runs_dir, plan_file=plan_file, shard=f"{i}/2").execute() for i in (1, 2)]
        assert [summary["rows"] for summary in summaries] == [1, 0]
        out = str(tmp_path / task_id)
        whole = Task(OnboardMergeOperator(task_id="merge", runs=summaries, out=out, runs_dir=str(runs_dir))).execute()
        assert (whole["exit_status"], whole["rows"]) == (0, 1)


@pytest.mark.parametrize("arguments", [{}, {"roster": "/a", "plan_file": "/b"}])
def test_a_roster_or_a_plan_and_not_both(arguments: dict[str, str], runs_dir: Path) -> None:
    with pytest.raises(ValueError, match="either roster or plan_file"):
        onboard(runs_dir, **arguments)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("runs_dir", {"runs_dir": "runs"}), ("roster", {"roster": "a.csv"}), ("roster", {"roster": ""})],
)
def test_a_relative_path_is_refused(name: str, arguments: dict[str, str], runs_dir: Path) -> None:
    arguments = {"runs_dir": str(runs_dir), "roster": "/a.csv", **arguments}
    with pytest.raises(AirflowFailException, match=f"{name} must be an absolute path"):
        Task(OnboardOperator(task_id="onboard", houston_conn_id="houston", **arguments)).execute()


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (("houston.example.com", None, None), "https://houston.example.com/v1"),
        (("houston.example.com", "https", 8443), "https://houston.example.com:8443/v1"),
        (("https://houston.example.com/v1", None, None), "https://houston.example.com/v1"),
        (("https://houston.example.com/", None, None), "https://houston.example.com/v1"),
        (("http://127.0.0.1:8871/v1", None, 1), "http://127.0.0.1:8871/v1"),
    ],
)
def test_a_connection_has_the_url(fields: tuple[str, Any, Any], url: str) -> None:
    assert airflow._url(*fields) == url


def test_a_connection_without_a_token_is_refused(roster: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION, json.dumps({"conn_type": "http", "host": "houston.example.com"}))
    with pytest.raises(AirflowFailException, match="has no password"):
        onboard(runs_dir, roster=str(roster)).execute()
