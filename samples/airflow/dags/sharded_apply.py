"""A large roster in shards: one plan, a task for each shard, one report of the whole.

A workspace belongs to one shard, and the limits of the program are judged over the whole plan. Each task gets
its share of ``--rate`` and ``--concurrency``, so that all together ask Houston no more than one run would.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from houston_onboard.airflow import OnboardMergeOperator, OnboardOperator, OnboardPlanOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

RUNS_DIR = "{{ var.value.get('houston_onboard_runs_dir', '/var/lib/houston-onboard/runs') }}"
SHARED = {"runs_dir": RUNS_DIR, "houston_conn_id": "houston"}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "roster": Param("/data/rosters/migration.csv", type="string", description="the roster, a CSV file"),
        "shards": Param(4, type="integer", minimum=1, maximum=64, description="how many tasks share it"),
    },
    tags=["houston-onboard"],
)
def sharded_apply() -> None:
    plan = OnboardPlanOperator(task_id="plan", roster="{{ params.roster }}", retries=2, **SHARED)

    @task
    def shards(params: Optional[dict[str, Any]] = None) -> list[str]:
        assert params is not None
        number = params["shards"]
        return [f"{index}/{number}" for index in range(1, number + 1)]

    apply = OnboardOperator.partial(
        task_id="apply",
        plan_file=plan.output["plan_file"],
        approve=plan.output["digest"],
        retries=5,
        retry_delay=timedelta(minutes=5),
        **SHARED,
    ).expand(shard=shards())

    # Runs also if a shard failed, and then fails with the status of the whole.
    OnboardMergeOperator(
        task_id="report",
        runs=apply.output,
        out=RUNS_DIR + "/merged/{{ ti.xcom_pull(task_ids='plan')['digest'][:12] }}",
        trigger_rule="none_skipped",
        **SHARED,
    )


sharded_apply()
