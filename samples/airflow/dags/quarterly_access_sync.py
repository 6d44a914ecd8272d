"""Quarterly access sync: plan, a person approves the plan by its digest, apply, report.

The roster is the truth: roles are changed and people who are not in it are removed, within the limits of the
program. A quarter without changes asks no one: all tasks are skipped.

Airflow 3.1 or later asks in its interface (Browse, Required Actions). On Airflow 2 a person sets the Variable
``houston_onboard_approve`` to the digest that the log of ``plan`` shows.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from houston_onboard.airflow import AirflowFailException, OnboardOperator, OnboardPlanOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

SHARED = {
    # One folder per installation, on storage that all workers share.
    "runs_dir": "{{ var.value.get('houston_onboard_runs_dir', '/var/lib/houston-onboard/runs') }}",
    "houston_conn_id": "houston",
}
PATIENCE = timedelta(days=5)


def approval() -> Any:
    """Return the task that waits for a person."""
    try:
        from airflow.providers.standard.operators.hitl import ApprovalOperator
    except ImportError:  # Airflow 2
        from airflow.models import Variable
        from airflow.sensors.python import PythonSensor

        return PythonSensor(
            task_id="approve",
            python_callable=lambda digest: Variable.get("houston_onboard_approve", "") == digest,
            op_args=["{{ ti.xcom_pull(task_ids='plan')['digest'] }}"],
            mode="reschedule",
            poke_interval=10,
            timeout=PATIENCE.total_seconds(),
        )
    return ApprovalOperator(
        task_id="approve",
        subject="Access sync: {{ ti.xcom_pull(task_ids='plan')['changes'] }} changes",
        body=(
            "Digest: `{{ ti.xcom_pull(task_ids='plan')['digest'] }}`\n\n{{ ti.xcom_pull(task_ids='plan')['markdown'] }}"
        ),
        response_timeout=PATIENCE,
    )


@dag(
    schedule="0 6 1 1,4,7,10 *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={"roster": Param("/data/rosters/access.csv", type="string", description="the roster, a CSV file")},
    tags=["houston-onboard"],
)
def quarterly_access_sync() -> None:
    plan = OnboardPlanOperator(
        task_id="plan",
        roster="{{ params.roster }}",
        plan_arguments=["--update-roles", "--prune"],
        retries=2,
        **SHARED,
    )
    approve = approval()
    apply = OnboardOperator(
        task_id="apply",
        plan_file=plan.output["plan_file"],
        # What the person saw, and no other plan.
        approve=plan.output["digest"],
        approved_by="{{ ((ti.xcom_pull(task_ids='approve') or {}).get('responded_by_user') or {}).get('name', '') }}",
        retries=5,
        retry_delay=timedelta(minutes=5),
        **SHARED,
    )

    # Runs also after a failure, and must then fail: a green leaf would make the whole run green.
    @task(trigger_rule="none_skipped")
    def report(summary: Optional[dict[str, Any]] = None) -> None:
        if summary is None:
            raise AirflowFailException("there is no run: see the log of apply")
        counts = {status: count for status, count in summary["counts"].items() if count}
        print(f"run {summary['run']} on {summary['target']}: {counts}; reports in {summary['folder']}")
        if summary["exit_status"] != 0:
            raise AirflowFailException(f"the run ended with {summary['exit_status']}")

    plan >> approve >> apply >> report(apply.output)


quarterly_access_sync()
