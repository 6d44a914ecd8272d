"""Onboarding drop folder: each CSV file that appears is applied once, and filed under done or failed.

``claim`` moves the files out of the drop folder into one of this DAG run, so that a retry finds them and no other
run takes them. Onboarding only adds: no role is changed and no one is removed.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Optional

from houston_onboard.airflow import AirflowFailException, AirflowSkipException, OnboardOperator
from houston_onboard.program import safe

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "folder": Param("/data/onboarding", type="string", description="where files are dropped"),
        "quiet_seconds": Param(60, type="integer", description="a file is complete once it is this old"),
    },
    tags=["houston-onboard"],
)
def onboarding_drop_folder() -> None:
    @task(retries=2)
    def claim(params: Optional[dict[str, Any]] = None, run_id: Optional[str] = None) -> list[str]:
        assert params is not None and run_id is not None
        folder = Path(params["folder"])
        claimed = folder / "claimed" / safe(run_id)
        for path in sorted(folder.glob("*.csv")):
            if time.time() - path.stat().st_mtime >= params["quiet_seconds"]:
                claimed.mkdir(parents=True, exist_ok=True)
                path.rename(claimed / path.name)
        rosters = sorted(str(path) for path in claimed.glob("*.csv"))
        if not rosters:
            raise AirflowSkipException("the folder has no new file")
        return rosters

    rosters = claim()
    onboard = OnboardOperator.partial(
        task_id="onboard",
        runs_dir="{{ var.value.get('houston_onboard_runs_dir', '/var/lib/houston-onboard/runs') }}",
        houston_conn_id="houston",
        skip_unchanged=False,
        # One run at a time has the lock.
        max_active_tis_per_dagrun=1,
        retries=5,
        retry_delay=timedelta(minutes=5),
    ).expand(roster=rosters)

    # Runs also after a failure, and must then fail: a green leaf would make the whole run green.
    @task(trigger_rule="none_skipped")
    def file_away(rosters: list[str], summaries: Any) -> None:
        # A file that was refused has no run, so it is the roster that a summary names.
        done = {summary.get("roster") for summary in summaries if summary and summary["exit_status"] == 0}
        for roster in map(Path, rosters):
            target = roster.parents[2] / ("done" if str(roster) in done else "failed") / roster.parent.name
            target.mkdir(parents=True, exist_ok=True)
            if roster.exists():
                roster.rename(target / roster.name)
        failed = sorted(set(rosters) - done)
        if failed:
            raise AirflowFailException(f"{len(failed)} of {len(rosters)} files failed: {', '.join(failed)}")

    file_away(rosters, onboard.output)


onboarding_drop_folder()
