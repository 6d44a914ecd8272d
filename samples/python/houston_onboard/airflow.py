"""Operators for Apache Airflow 2.11 and 3: plan, apply, and the joint report of shards.

The operators run the program on the worker. They are not deferrable: a deferred task gives up its process,
and the program is a process on that worker. Waiting for a person belongs into a task of its own, between
:class:`OnboardPlanOperator` and :class:`OnboardOperator`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

try:  # Airflow 3
    from airflow.sdk import BaseHook, BaseOperator
except ImportError:  # Airflow 2
    from airflow.hooks.base import BaseHook  # type: ignore[attr-defined, no-redef]
    from airflow.models.baseoperator import BaseOperator  # type: ignore[import-not-found, no-redef]
try:  # Airflow 3.2
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
except ImportError:
    from airflow.exceptions import (  # type: ignore[attr-defined, no-redef]
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
    )

from houston_onboard.program import DONE, PLAN_IS_STALE, RETRIABLE, UNCHANGED, Program, Result, plan_path

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "OnboardMergeOperator",
    "OnboardOperator",
    "OnboardPlanOperator",
]

LONGEST_MARKDOWN = 60_000
"""The most characters of a plan that become an XCom."""


class _ProgramOperator(BaseOperator):
    """What the operators share: folder, connection, environment, and what an exit status means to Airflow."""

    template_fields: Sequence[str] = ("runs_dir", "houston_conn_id", "environment")

    def __init__(
        self,
        *,
        runs_dir: str,
        houston_conn_id: Optional[str] = None,
        environment: Optional[Mapping[str, str]] = None,
        grace: timedelta = timedelta(seconds=20),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runs_dir = runs_dir
        self.houston_conn_id = houston_conn_id
        self.environment = dict(environment or {})
        self.grace = grace
        self._program: Optional[Program] = None

    def on_kill(self) -> None:
        """Let the program finish the requests in flight and close its run."""
        if self._program is not None:
            self._program.stop()

    def _open(self) -> Program:
        """Return the program with the token and the URL of the connection in its environment."""
        environment = dict(self.environment)
        if self.houston_conn_id is not None:
            environment.update(_credentials(self.houston_conn_id))
        self._program = Program(self.log.log, environment, self.grace.total_seconds())
        return self._program

    def _runs_dir(self) -> Path:
        return _absolute("runs_dir", self.runs_dir)

    def _plan_path(self, context: Any, roster: str, *meaning: Optional[str]) -> Path:
        """Return where a plan of this task belongs. Retries of a task find it there again."""
        folder = self._runs_dir() / "plans"
        path = plan_path(folder, self.dag_id, str(context["run_id"]), self.task_id, roster, *meaning)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _conclude(self, context: Any, command: str, result: Result, returned: Any) -> Any:
        """Return the value for XCom, or raise what the exit status means.

        The value is pushed before anything is raised: a report needs it most when the run failed.
        """
        if self._program is not None and self._program.stopped:
            raise AirflowException(f"the task was stopped: {result.describe(command)}; a retry resumes the run")
        if result.status == DONE:
            return returned
        if returned:
            context["ti"].xcom_push(key="return_value", value=returned)
        if result.status == UNCHANGED:
            raise AirflowSkipException(result.describe(command))
        if result.status in RETRIABLE:
            raise AirflowException(result.describe(command))
        raise AirflowFailException(result.describe(command))


class OnboardPlanOperator(_ProgramOperator):
    """Make a plan and save it, for a person to approve.

    Returns ``plan_file``, ``digest``, ``changes``, ``counts`` and ``markdown``. A plan without changes skips
    the task, and with it the question to a person. Each try makes a new plan: it only reads.

    :param roster: absolute path of the roster, a CSV file. Templated.
    :param runs_dir: absolute path of the runs folder, one per installation, shared by all workers. Plans are
        kept in ``plans`` in it. Templated.
    :param plan_arguments: flags of ``plan``, such as ``["--update-roles", "--prune"]``. Templated.
    :param skip_unchanged: whether a plan without changes skips the task.
    :param houston_conn_id: a connection with the token as password and, if set, the host as URL. Templated.
    :param environment: variables for the program, such as ``HOUSTON_ONBOARD_CA_FILE``. Templated.
    :param grace: how long requests in flight may take when the task is stopped.
    """

    template_fields = (*_ProgramOperator.template_fields, "roster", "plan_arguments")

    def __init__(
        self, *, roster: str, plan_arguments: Sequence[str] = (), skip_unchanged: bool = True, **kwargs: Any
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)  # `plan.output["digest"]` is an XCom of its own.
        super().__init__(**kwargs)
        self.roster = roster
        self.plan_arguments = list(plan_arguments)
        self.skip_unchanged = skip_unchanged

    def execute(self, context: Any) -> Any:
        """Run ``plan ROSTER --out FILE --format md``."""
        roster = str(_absolute("roster", self.roster))
        path = self._plan_path(context, roster, *self.plan_arguments)
        flags = [*self.plan_arguments, "--format", "md", "--out", str(path)]
        program = self._open()
        result = program.summarise("plan", roster, *flags)
        if result.output:
            self.log.info("%s", result.output)
        plan = result.summary.get("plan") or {}
        returned = {
            "plan_file": str(path),
            "digest": result.summary.get("plan_digest"),
            "changes": plan.get("changes"),
            "counts": plan.get("counts"),
            "markdown": _shortened(result.output),
        }
        if program.stopped or not _is_usable(result):
            return self._conclude(context, "plan", result, returned)
        # Not by --exit-code-unchanged: a saved plan keeps that, and `apply` would obey it.
        if self.skip_unchanged and returned["changes"] == 0:
            raise AirflowSkipException("no changes: Houston already matches the roster")
        return returned


class OnboardOperator(_ProgramOperator):
    """Apply a roster, or a plan of :class:`OnboardPlanOperator`.

    Returns the summary of the run. A retry repeats the command: it resumes the run of the plan, or returns
    the status with which that run ended, and never begins a second one. The exit status decides:

    - 0: success
    - 99 (nothing had to be changed): skipped; a shard succeeds, since the report of the whole needs its run
    - 8 (a later try can settle the rest) and 11 (another run holds the lock): failed, with retries
    - all others: failed, without retries

    :param roster: absolute path of the roster; its plan is made once per DAG run. Templated.
    :param plan_file: a saved plan instead of a roster. Templated.
    :param approve: the digest that the plan must have: what a person approved. Templated.
    :param approved_by: who approved it; recorded in the run. Templated.
    :param shard: ``I/N``: apply only this share, beside the tasks of the other shards. Templated.
    :param runs_dir: absolute path of the runs folder, one per installation, shared by all workers: the lock
        lives there. Templated.
    :param plan_arguments: flags of ``plan``, such as ``["--update-roles"]``, with ``roster``. Templated.
    :param apply_arguments: flags of ``apply --plan``, such as ``["--canary", "5"]``. Templated.
    :param skip_unchanged: whether a run that changes nothing skips the task. A shard never does.
    :param houston_conn_id: a connection with the token as password and, if set, the host as URL. Templated.
    :param environment: variables for the program, such as ``HOUSTON_ONBOARD_RATE``. Templated.
    :param grace: how long requests in flight may take when the task is stopped; Airflow allows 60 seconds.
    """

    template_fields = (
        *_ProgramOperator.template_fields,
        "roster",
        "plan_file",
        "approve",
        "approved_by",
        "shard",
        "plan_arguments",
        "apply_arguments",
    )

    def __init__(
        self,
        *,
        roster: Optional[str] = None,
        plan_file: Optional[str] = None,
        approve: Optional[str] = None,
        approved_by: Optional[str] = None,
        shard: Optional[str] = None,
        plan_arguments: Sequence[str] = (),
        apply_arguments: Sequence[str] = (),
        skip_unchanged: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (roster is None) == (plan_file is None):
            raise ValueError("OnboardOperator needs either roster or plan_file")
        self.roster = roster
        self.plan_file = plan_file
        self.approve = approve
        self.approved_by = approved_by
        self.shard = shard
        self.plan_arguments = list(plan_arguments)
        self.apply_arguments = list(apply_arguments)
        self.skip_unchanged = skip_unchanged

    def execute(self, context: Any) -> Any:
        """Make the plan, unless there is one, and run ``apply --plan FILE --yes``."""
        runs_dir = self._runs_dir()
        program = self._open()
        path = self._plan(context, program) if self.plan_file is None else _absolute("plan_file", self.plan_file)
        flags = ["--plan", str(path), "--yes", "--runs-dir", str(runs_dir), *self.apply_arguments]
        flags += _unchanged(self.skip_unchanged and not self.shard) + _flag("--shard", self.shard)
        flags += _flag("--approve", self.approve) + _flag("--approved-by", self.approved_by)
        result = program.change("apply", *flags)
        if result.status == PLAN_IS_STALE and self.roster is not None:
            path.unlink()  # Nothing was sent. The task makes a new plan when it is cleared.
        return self._conclude(context, "apply", result, self._returned(result))

    def _returned(self, result: Result) -> dict[str, Any]:
        """Return the summary, with the whole path of the roster: in the summary it may be shortened."""
        return {**result.summary, **({"roster": self.roster} if self.roster is not None else {})}

    def _plan(self, context: Any, program: Program) -> Path:
        """Return the file of the plan that this DAG run applies."""
        roster = str(_absolute("roster", self.roster))
        path = self._plan_path(context, roster, self.shard, *self.plan_arguments)
        if path.exists():
            self.log.info("this DAG run has a plan already: %s", path)
            return path
        flags = [*self.plan_arguments, *_flag("--shard", self.shard), "--out", str(path)]
        result = program.summarise("plan", roster, *flags)
        if result.output:
            self.log.info("%s", result.output)
        if program.stopped or not _is_usable(result):
            path.unlink(missing_ok=True)
            self._conclude(context, "plan", result, self._returned(result))
        return path


class OnboardMergeOperator(_ProgramOperator):
    """Join the runs of all shards into one report, and fail if they failed.

    Returns the summary of the whole. Give it ``trigger_rule="none_skipped"``: the report is needed most when
    a shard failed, and the status of the whole is raised here.

    :param runs: what the tasks of the shards returned.
    :param out: absolute path of the folder for the reports. Templated.
    """

    template_fields = (*_ProgramOperator.template_fields, "runs", "out")

    def __init__(self, *, runs: Any, out: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runs = runs
        self.out = out

    def execute(self, context: Any) -> Any:
        """Run ``report --merge RUN... --out DIR --format json``."""
        out = _absolute("out", self.out)
        folders = _folders(self.runs or ())
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = ["--out", str(out), "--runs-dir", str(self._runs_dir()), "--format", "json"]
        result = self._open().run("report", "--merge", *folders, *flags)
        summary = out / "summary.json"
        returned = json.loads(summary.read_text("utf-8")) if summary.exists() else None
        if result.status in RETRIABLE:  # Merging again changes nothing: the shards are to be retried.
            context["ti"].xcom_push(key="return_value", value=returned)
            raise AirflowFailException(result.describe("report --merge"))
        return self._conclude(context, "report --merge", result, returned)


def _is_usable(result: Result) -> bool:
    """Return whether a plan was saved that can be applied.

    Rows that are left out and removals that are held back have an exit status, and are no error: `apply` ends
    with the same status after it did the rest.
    """
    return result.error is None and "plan_digest" in result.summary


def _folders(summaries: Iterable[Optional[Mapping[str, Any]]]) -> list[str]:
    """Return the folders of the runs."""
    folders = [(summary or {}).get("folder") for summary in summaries]
    if not folders or None in folders:
        raise AirflowFailException(f"{folders.count(None)} of {len(folders)} shards began no run: see their logs")
    return [str(folder) for folder in folders]


def _credentials(conn_id: str) -> dict[str, str]:
    """Return the variables that a connection stands for: its password is the token, its host the URL."""
    connection = BaseHook.get_connection(conn_id)
    if not connection.password:
        raise AirflowFailException(f"the connection {conn_id} has no password: the token belongs there")
    variables = {"HOUSTON_API_TOKEN": connection.password}
    if connection.host:
        variables["HOUSTON_ONBOARD_URL"] = _url(connection.host, connection.schema, connection.port)
    return variables


def _url(host: str, scheme: Optional[str], port: Optional[int]) -> str:
    """Return the URL of Houston: a host that is a URL already, or one made of the fields of a connection."""
    base = host if "://" in host else f"{scheme or 'https'}://{host}"
    if port and urlsplit(base).port is None:
        base = f"{base.rstrip('/')}:{port}"
    return base if urlsplit(base).path.strip("/") else f"{base.rstrip('/')}/v1"


def _absolute(name: str, text: Optional[str]) -> Path:
    """Return a path that means the same on every worker."""
    path = Path(text or "")
    if not path.is_absolute():
        raise AirflowFailException(f"{name} must be an absolute path, and is {text!r}")
    return path


def _flag(name: str, value: Optional[str]) -> list[str]:
    # A template that renders to nothing is no value.
    return [name, value] if value else []


def _unchanged(is_skipped: bool) -> list[str]:
    # Always given, because a plan may have another status saved in it.
    return ["--exit-code-unchanged", str(UNCHANGED if is_skipped else DONE)]


def _shortened(markdown: str) -> str:
    if len(markdown) <= LONGEST_MARKDOWN:
        return markdown
    return markdown[:LONGEST_MARKDOWN] + "\n\n... shortened; the log of this task has all of it.\n"
