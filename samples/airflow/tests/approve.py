"""Answers the approval of a DAG run as a person does in the interface of Airflow: approve.py DAG DIGEST.

Airflow 3: does what its API does with the answer, without a server. Airflow 2: sets the Variable.
"""

from __future__ import annotations

import sys
import time

dag_id, digest = sys.argv[1:]
try:
    from airflow.models.hitl import HITLDetail
except ImportError:  # Airflow 2
    from airflow.models import Variable

    Variable.set("houston_onboard_approve", digest)
    sys.exit()

from airflow._shared.timezones import timezone
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from sqlalchemy import select

while True:
    with create_session() as session:
        waiting = select(TaskInstance).where(
            TaskInstance.dag_id == dag_id, TaskInstance.task_id == "approve", TaskInstance.state == "awaiting_input"
        )
        if task := session.scalar(waiting):
            detail = session.scalar(select(HITLDetail).where(HITLDetail.ti_id == task.id))
            assert digest in detail.body, "the person sees the digest"
            assert "| email | action |" in detail.body, "the person sees the plan"
            detail.responded_by = {"id": "1", "name": "Rosa Mendes"}
            detail.responded_at = timezone.utcnow()
            detail.chosen_options, detail.params_input = ["Approve"], {}
            session.add(detail)
            event = TriggerEvent(detail.as_resume_event_payload())
            handle_event_submit(event, task_instance=task, session=session)
            break
    time.sleep(0.5)
