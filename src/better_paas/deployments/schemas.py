"""API types of deployments."""

from typing import Any

from better_paas.kit.schema import Answer


class StepAnswer(Answer):
    """status: running, done, failed or cancelled. seconds: how long it took so far."""

    name: str
    status: str
    started_at: str
    finished_at: str | None
    seconds: float


class DeploymentAnswer(Answer):
    """status: queued, building, success, failed or cancelled. logs: by /api/deployments/logs.

    duration: seconds since it was asked for. waitsFor: why it is still queued. settled: nothing is to come any more; a
    success is settled when its processes have stayed up for five seconds. watchedUntil: by then it is not taken back
    any more.

    commit: of uploaded files, what they are known by: the same files have the same one. error, hint: the platform's own
    words; quoted: what the app, the repository, a remote server or the build said, cleaned, at most 200 characters.
    """

    id: str
    app_id: str
    app_name: str
    status: str
    trigger: str
    actor: str
    request_id: str
    commit: str
    commit_msg: str
    image: str | None
    rollback_of: str | None
    error: str
    hint: str
    quoted: str
    plan: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    duration: float | None
    waits_for: str
    settled: bool
    watched_until: str | None
    steps: list[StepAnswer]


class ChangeAnswer(Answer):
    name: str
    before: str
    after: str


class CompareAnswer(Answer):
    """What differs from the deployment `withId`, or nothing if there is none before it. Values of variables are never
    told. added, removed, changed: names of variables."""

    id: str
    with_id: str | None
    commit: str
    with_commit: str
    plan: list[ChangeAnswer]
    settings: list[ChangeAnswer]
    added: list[str]
    removed: list[str]
    changed: list[str]


class LogLine(Answer):
    message: str
    timestamp: str
    level: str = "info"
    step: str | None = None


class DeploymentLogs(Answer):
    """next: the offset to go on from. finished: nothing more will come."""

    logs: list[LogLine]
    next: int
    finished: bool
