"""
Notices go out, by mail and by webhook.

Each is a row that was written together with what it tells of, so none is lost. Who is killed between sending and saying
so sends it again, under the same id, by which the receiver knows it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from db.notices import DueNotice, claim_notices, note_not_sent, note_sent
from db.pool import Pool, transaction
from db.vault import unsealed
from domain.errors import HoldIntegration, LmsUnavailable
from domain.failure_catalogue import describe
from domain.recovery import RecoveryPolicy, Retry, decide
from domain.support import Notices
from lms.webhooks import NotPosted, Post, Webhooks
from runtime.mail import NotSent, send
from runtime.settings import Settings

log = structlog.get_logger()

AT_ONCE = 20
LEASE = timedelta(minutes=2)

OPENING = {
    "quarantine": "is held: nothing is sent or fetched, and nothing is lost",
    "quarantine changed": "is still held, for another reason now",
    "failure group": "has failures of a new cause",
}


class _Given(Exception):
    """It is not sent, and not tried again; the text says why."""


@dataclass(frozen=True, slots=True)
class Sender:
    """How notices leave: the mail server of the settings, and webhooks."""

    settings: Settings
    webhooks: Webhooks
    policy: RecoveryPolicy
    dice: Callable[[], float]

    def send_due(self, pool: Pool) -> None:
        """Every notice that is due was sent, has a time to be tried again, or was given up with a reason."""
        with transaction(pool) as db:
            due = claim_notices(db, most=AT_ONCE, lease=LEASE)
        for notice in due:
            self._send(notice, pool)

    def _send(self, notice: DueNotice, pool: Pool) -> None:
        wait: timedelta | None = None
        try:
            self._hand_over(notice)
        except (NotSent, NotPosted, _Given) as problem:
            if not isinstance(problem, _Given) and not getattr(problem, "hopeless", False):
                wait = self._wait(notice)
            with transaction(pool) as db:
                note_not_sent(db, notice, str(problem), wait)
            log.info("notice not sent", notice_id=notice.notice_id, channel=notice.channel, problem=str(problem))
        else:
            with transaction(pool) as db:
                note_sent(db, notice)
            log.info("notice sent", notice_id=notice.notice_id, channel=notice.channel)

    def _wait(self, notice: DueNotice) -> timedelta | None:
        trouble = LmsUnavailable("lms_unreachable")
        tried = decide(
            trouble, attempt=notice.attempts, running_for=notice.running_for, dice=self.dice(), policy=self.policy
        )
        return tried.wait if isinstance(tried, Retry) else None

    def _hand_over(self, notice: DueNotice) -> None:
        wanted = Notices.model_validate(notice.settings or {})
        if notice.channel == "mail":
            self._mail(notice, wanted)
        else:
            self._post(notice, wanted)

    def _mail(self, notice: DueNotice, wanted: Notices) -> None:
        to = wanted.addresses(describe(notice.code).owner)
        if not to:
            raise _Given("notices.mail_to names nobody")
        if not self.settings.smtp_url:
            raise _Given("MATRICULA_SMTP_URL is not set")
        place = self.settings.mail_from.rpartition("@")[2].strip("> ") or "localhost"
        message_id = f"{_id(notice)}@{place}"
        send(self.settings, to=to, subject=_subject(notice), text=_text(notice), message_id=message_id)

    def _post(self, notice: DueNotice, wanted: Notices) -> None:
        if not wanted.webhook_url:
            raise _Given("notices.webhook_url is empty")
        if notice.webhook_sealed is None:
            raise _Given("the webhook has no secret: `matricula integration set-webhook-secret`")
        try:
            secret = unsealed(notice, "webhook", notice.webhook_sealed, self.settings.master_keys)
        except HoldIntegration as error:
            raise _Given(error.detail) from None
        self.webhooks.post(Post(wanted.webhook_url, _id(notice), _body(notice)), secret, notice.now)


def _id(notice: DueNotice) -> str:
    return f"notice-{hashlib.sha256(notice.key.encode()).hexdigest()[:32]}"


def _subject(notice: DueNotice) -> str:
    return f"{notice.integration or notice.tenant or 'Matricula'}: {describe(notice.code).title}"


def _text(notice: DueNotice) -> str:
    entry = describe(notice.code)
    more = (
        f"`matricula failures show {notice.group_id}` shows them."
        if notice.group_id
        else "`matricula status` shows it."
    )
    lines = (
        f"{notice.integration or notice.tenant} {OPENING[notice.kind]}.",
        "",
        f"What: {entry.title}. {entry.symptom}",
        f"Cause: {entry.cause}",
        f"Whose: {entry.owner}",
        f"Fix: {entry.fix}",
        f"Detail: {notice.detail}" if notice.detail else "",
        "",
        f"{more} Code: {notice.code}.",
    )
    return "\n".join(lines) + "\n"


def _body(notice: DueNotice) -> bytes:
    entry = describe(notice.code)
    told = {
        "id": _id(notice),
        "kind": notice.kind,
        "tenant": notice.tenant,
        "integration": notice.integration,
        "group": notice.group_id,
        "code": notice.code,
        "title": entry.title,
        "cause": entry.cause,
        "owner": entry.owner,
        "fix": entry.fix,
        "detail": notice.detail,
        "at": notice.written_at.isoformat(),
    }
    return json.dumps(told, ensure_ascii=False).encode()
