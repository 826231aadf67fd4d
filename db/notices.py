"""What people are told: written with what it tells of, sent afterwards, and kept until it was sent or given up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements

SQL = statements("notices")

NoticeKind = Literal["quarantine", "quarantine changed", "failure group"]
Channel = Literal["mail", "webhook"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told about an integration. The key stands for it: a second one of that is impossible."""

    key: str
    kind: NoticeKind
    integration_id: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class DueNotice:
    """
    One notice on its way by one channel.

    Attributes:
        settings: Of the integration whose people are told; None where there is none.
        webhook_sealed: What signs it when it is posted; `tenant` and `name` are whose it is.
    """

    notice_id: int
    key: str
    channel: Channel
    kind: NoticeKind
    tenant: str
    integration: str | None
    group_id: int | None
    code: str
    detail: str
    written_at: datetime
    attempts: int
    running_for: timedelta
    settings: dict[str, Any] | None
    webhook_sealed: bytes | None = field(repr=False)
    master_key: str
    data_key: bytes = field(repr=False)
    name: str
    now: datetime


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One notice as people look at it; `problem` says why it was not sent, or not yet."""

    notice_id: int
    key: str
    channel: Channel
    kind: NoticeKind
    tenant: str | None
    integration: str | None
    group_id: int | None
    code: str
    detail: str
    written_at: datetime
    sent_at: datetime | None
    attempts: int
    problem: str | None
    waiting: bool


def write_notice(db: Db, notice: Notice) -> None:
    """People will be told, if this transaction commits."""
    values = {"key": notice.key, "kind": notice.kind, "code": notice.code, "detail": notice.detail}
    db.execute(SQL["write_notice"], values | {"integration_id": notice.integration_id})


def claim_notices(db: Db, *, most: int, lease: timedelta) -> Sequence[DueNotice]:
    """What is due to be sent; nobody else sends it before the lease is over."""
    with db.cursor(row_factory=class_row(DueNotice)) as cursor:
        return cursor.execute(SQL["claim_notices"], {"most": most, "lease": lease}).fetchall()


def note_sent(db: Db, notice: DueNotice) -> None:
    db.execute(SQL["sent"], {"notice_id": notice.notice_id})


def note_not_sent(db: Db, notice: DueNotice, problem: str, wait: timedelta | None) -> None:
    """It is tried again after the wait; without one it is given up."""
    db.execute(SQL["not_sent"], {"notice_id": notice.notice_id, "problem": problem, "wait": wait})


def notices(db: Db, tenant: str | None, most: int = 100) -> list[NoticeLine]:
    """What people were told, or not, the newest first."""
    with db.cursor(row_factory=class_row(NoticeLine)) as cursor:
        return cursor.execute(SQL["notices"], {"tenant": tenant, "most": most}).fetchall()
