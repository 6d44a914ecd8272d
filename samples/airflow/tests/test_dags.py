"""Every DAG by ``airflow dags test`` against a sandbox, with the installed wheel."""

from __future__ import annotations

import csv
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from houston_onboard import find_program

# Airflow writes its configuration when it is imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp())
from houston_onboard.airflow import AirflowFailException

HERE = Path(__file__).parent
LIMIT = 120


class World:
    """An Airflow, a sandbox, and a folder for both."""

    def __init__(self, home: Path, url: str, token: str) -> None:
        self.home = home
        self.runs_dir = home / "runs"
        connection = {"conn_type": "http", "host": url, "password": token}
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HOUSTON_", "ASTRO_"))
        }
        self.sandbox = {**inherited, "HOUSTON_API_TOKEN": token, "HOUSTON_ONBOARD_URL": url}
        self.environment = {
            **inherited,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(HERE.parent / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_HOUSTON": json.dumps(connection),
            "AIRFLOW_VAR_HOUSTON_ONBOARD_RUNS_DIR": str(self.runs_dir),
            "PYTHONWARNINGS": "ignore",
            # A plan saves this, and a shard with nothing to do has a run all the same.
            "HOUSTON_ONBOARD_EXIT_CODE_UNCHANGED": "99",
        }
        self._commands = subprocess.Popen(
            [sys.executable, HERE / "commands.py"],
            env=self.environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> World:
        self._send("migrate", "db", "migrate")
        assert self.end() == 0, self.log("migrate")
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.kill()
        self._commands.communicate()

    def begin(self, dag_id: str, **conf: Any) -> None:
        """Begin the test of a DAG; ``end`` waits for it."""
        self._send(dag_id, "dags", "test", dag_id, "--conf", json.dumps(conf))

    def end(self) -> int:
        """Return the exit status of the command that was begun last."""
        assert self._commands.stdout is not None
        answers, _, _ = select.select([self._commands.stdout], [], [], LIMIT)
        return int(self._commands.stdout.readline()) if answers else -1

    def test(self, dag_id: str, **conf: Any) -> int:
        """Return the exit status of the test of a DAG."""
        self.begin(dag_id, **conf)
        return self.end()

    def _send(self, log: str, *arguments: str) -> None:
        assert self._commands.stdin is not None
        command = {"arguments": arguments, "log": str(self.home / f"{log}.log")}
        print(json.dumps(command), file=self._commands.stdin, flush=True)

    def log(self, dag_id: str) -> str:
        return (self.home / f"{dag_id}.log").read_text()

    def members(self) -> dict[tuple[str, str], str]:
        """Who is in which workspace of the sandbox, and with which role."""
        command = [find_program(), "export", "--format", "csv", "--quiet"]
        text = subprocess.run(command, env=self.sandbox, check=True, capture_output=True, text=True).stdout
        return {(row["email"], row["workspace"]): row["role"] for row in csv.DictReader(text.splitlines())}

    def roster(self, name: str, rows: list[tuple[str, str, str]]) -> Path:
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        lines = [",".join(row) for row in [("email", "role", "workspace"), *rows]]
        path.write_text("\n".join(lines) + "\n")
        return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    command = [find_program(), "sandbox", "--port", "0", "--latency", "0ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token = (process.stdout.readline().split()[1] for _ in range(2))
        try:
            with World(tmp_path_factory.mktemp("airflow"), url, token) as world:
                yield world
        finally:
            process.terminate()


def test_a_quarterly_sync_does_what_a_person_approved(world: World) -> None:
    before = world.members()
    finance = {email: role for (email, workspace), role in before.items() if workspace == "ckfinance0000000000000002"}
    by_role = {role: email for email, role in finance.items()}
    promoted, leaver = by_role["WORKSPACE_VIEWER"], by_role["WORKSPACE_EDITOR"]
    wanted = {**finance, promoted: "WORKSPACE_EDITOR", "new.colleague@example.com": "WORKSPACE_VIEWER"}
    del wanted[leaver]
    rows = [(email, role, "ckfinance0000000000000002") for email, role in wanted.items()]
    world.begin("quarterly_access_sync", roster=str(world.roster("access.csv", rows)))
    digest = digest_of_the_plan(world, "quarterly_access_sync")
    assert world.members() == before, "nothing changes before the approval"
    subprocess.run(
        [sys.executable, HERE / "approve.py", "quarterly_access_sync", digest],
        env=world.environment,
        check=True,
        timeout=LIMIT,
    )
    assert world.end() == 0, world.log("quarterly_access_sync")
    after = world.members()
    assert {key: role for key, role in after.items() if before.get(key) != role} == {
        (promoted, "ckfinance0000000000000002"): "WORKSPACE_EDITOR",
        ("new.colleague@example.com", "ckfinance0000000000000002"): "WORKSPACE_VIEWER",
    }
    assert before.keys() - after.keys() == {(leaver, "ckfinance0000000000000002")}
    [summary] = [json.loads(path.read_text()) for path in world.runs_dir.glob("2*/summary.json")]
    approver = "Rosa Mendes" if "Waiting for Human-in-the-loop" in world.log("quarterly_access_sync") else None
    assert summary.get("approved_by") == approver


def digest_of_the_plan(world: World, dag_id: str) -> str:
    """Wait for the plan that a person reads."""
    began = time.monotonic()
    while time.monotonic() - began < LIMIT:
        for path in (world.runs_dir / "plans" / dag_id).glob("*/plan-*.json"):
            return str(json.loads(path.read_text())["digest"])
        time.sleep(0.2)
    pytest.fail("there is no plan:\n" + world.log(dag_id))


@pytest.mark.parametrize("summary", [None, {"exit_status": 6}])
def test_the_report_of_a_sync_fails_with_its_run(summary: Any) -> None:
    dag = runpy.run_path(str(HERE.parent / "dags" / "quarterly_access_sync.py"))["quarterly_access_sync"]()
    report = dag.get_task("report")
    assert (report.trigger_rule, dag.leaves) == ("none_skipped", [report])
    run = {"run": "r", "target": "t", "folder": "f", "counts": {"rejected": 1}}
    with pytest.raises(AirflowFailException, match="ended with 6" if summary else "there is no run"):
        report.python_callable(summary and {**run, **summary})


def test_files_of_a_drop_folder_are_applied_and_filed(world: World) -> None:
    world.roster("drop/first.csv", [("ana.silva@example.com", "viewer", "Finance")])
    world.roster("drop/second.csv", [("ben.okafor@example.com", "editor", "Data Platform")])
    world.roster("drop/wrong.csv", [("chen.wei@example.com", "viewer", "No Such Workspace")])
    status = world.test("onboarding_drop_folder", folder=str(world.home / "drop"), quiet_seconds=0)
    assert status == 1, "a leaf that stays green hides the bad file:\n" + world.log("onboarding_drop_folder")
    assert "1 of 3 files failed" in world.log("onboarding_drop_folder")
    filed = {
        str(path.relative_to(world.home / "drop").parts[0]) + "/" + path.name
        for path in world.home.glob("drop/**/*.csv")
    }
    assert filed == {"done/first.csv", "done/second.csv", "failed/wrong.csv"}
    people = {email for email, _ in world.members()}
    assert {"ana.silva@example.com", "ben.okafor@example.com"} <= people
    assert "chen.wei@example.com" not in people


def test_shards_carry_out_one_plan_and_have_one_report(world: World) -> None:
    workspaces = ["Data Platform", "Finance"]
    rows = [(f"person.{i}@example.com", "viewer", workspace) for i, workspace in enumerate(workspaces * 10)]
    status = world.test("sharded_apply", roster=str(world.roster("migration.csv", rows)), shards=3)
    assert status == 0, world.log("sharded_apply")
    [merged] = (world.runs_dir / "merged").iterdir()
    with open(merged / "results.csv", newline="") as file:
        results = {row["email"]: row["status"] for row in csv.DictReader(file)}
    assert results.keys() == {email for email, _, _ in rows}
    assert set(results.values()) <= {"added", "invited"}
    summary = json.loads((merged / "summary.json").read_text())
    assert (summary["exit_status"], summary["rows"], len(summary["runs"])) == (0, 20, 3)
    assert {email for email, _, _ in rows} <= {email for email, _ in world.members()}
