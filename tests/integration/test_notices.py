"""
People are told once: of a quarantine, of another reason for it, and of a new cause of failures; by mail and webhook.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from db import configuration
from db.notices import claim_notices, notices
from db.pool import Pool, transaction
from domain.errors import HoldIntegration, NeedsAttention
from domain.integration import IntegrationSettings
from domain.recovery import RecoveryPolicy
from lms.transport import build_client
from lms.webhooks import Webhooks
from ops import actions
from runtime.secrets import Secret
from runtime.settings import Settings
from tests.support.builders import TENANT, hired, hires, lms_courses
from tests.support.fake_lms import FakeLms
from tests.support.mailbox import Mailbox, mailbox
from tests.support.receiver import Receiver, receiver
from tests.support.workbench import KEYS, Workbench, everything_stored
from workers.noticing import LEASE, Sender

SECRET = Secret("canary-secret-of-the-hook")
DESK, HR = "desk@example.org", "hr@example.org"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


class Told:
    """
    A workbench whose people are told, by the mail server and receiver given.
    """

    def __init__(self, pool: Pool, box: Mailbox, hook: Receiver) -> None:
        self.lms = FakeLms(courses=lms_courses())
        chosen = {"mail_to": [DESK], "by_owner": {"HR data": [HR]}, "webhook_url": hook.url}
        self.bench = Workbench(pool, self.lms, notices=chosen)
        self.settings = Settings("", "", KEYS, smtp_url=box.url, mail_from="matricula@example.org")
        with transaction(pool) as db:
            configuration.replace_webhook_secret(db, self.bench.integration(), SECRET, keys=KEYS)

    def send(self, **changed: Any) -> None:
        webhooks = Webhooks(build_client(allow_private=changed.pop("allow_private", True)))
        Sender(replace(self.settings, **changed), webhooks, RecoveryPolicy(), lambda: 0.5).send_due(self.bench.pool)

    def later(self, **span: float) -> None:
        self.bench.run(
            "update notice set due_at = due_at - %(d)s, written_at = written_at - %(d)s", d=timedelta(**span)
        )

    def problems(self) -> dict[str, str | None]:
        """
        Why each channel has not sent the newest notice.
        """
        with transaction(self.bench.pool) as db:
            found = notices(db, TENANT)
        return {line.channel: line.problem for line in found[:2]}


@pytest.fixture
def told(pool: Pool, box: Mailbox, hook: Receiver) -> Told:
    return Told(pool, box, hook)


def test_a_quarantine_is_told_once_however_much_waits(told: Told, box: Mailbox, hook: Receiver) -> None:
    """E1, I9"""
    told.lms.fail("find_users", HoldIntegration("token_refused", "core_user_get_users: invalidtoken"), times=10**9)
    told.lms.fail("site", HoldIntegration("token_refused"), times=10**9)
    told.bench.done(*hires(30))
    for _ in range(3):
        told.bench.pass_time(minutes=1)
        told.bench.provision()
        told.send()

    [mail] = box.taken
    assert (mail["To"], mail["Subject"]) == (DESK, "Acme Moodle: The LMS refuses the token")
    assert "Issue a new token on this very site" in mail.get_content()
    [(headers, body)] = hook.taken
    posted = json.loads(body)
    assert (posted["kind"], posted["code"], posted["owner"]) == ("quarantine", "token_refused", "LMS")
    assert headers["webhook-id"] == posted["id"]


def test_another_reason_is_told_once_more(told: Told, box: Mailbox, hook: Receiver) -> None:
    told.lms.fail("find_users", HoldIntegration("token_refused"), times=1)
    told.bench.done(hired())
    told.send()
    told.lms.fail("site", HoldIntegration("webservices_off"), times=10**9)
    for _ in range(3):
        told.bench.pass_time(minutes=1)
        told.bench.provision()
        told.send()

    assert [mail["Subject"] for mail in box.taken] == [
        "Acme Moodle: The LMS refuses the token",
        "Acme Moodle: Web services are switched off",
    ]
    assert [json.loads(body)["kind"] for _, body in hook.taken] == ["quarantine", "quarantine changed"]
    assert told.bench.failures() == [("integration", "webservices_off")]
    assert told.bench.integration().hold_code == "webservices_off"


def test_a_second_quarantine_is_another_one(told: Told, box: Mailbox) -> None:
    for key in ("E-1", "E-2"):
        told.lms.fail("find_users", HoldIntegration("token_refused"), times=1)
        told.bench.done(hired(key))
        told.send()
        told.bench.pass_time(minutes=1)
        told.bench.provision()

    assert [mail["Subject"] for mail in box.taken] == ["Acme Moodle: The LMS refuses the token"] * 2


def test_a_new_cause_is_told_to_its_owner_and_the_next_case_of_it_is_not(told: Told, box: Mailbox) -> None:
    told.bench.done(hired("E-1", first_name=""), hired("E-2", first_name=""))
    told.send()
    told.bench.done(hired("E-3", first_name=""))
    told.send()

    [mail] = box.taken
    assert mail["To"] == HR
    assert "No first name" in mail["Subject"]
    assert "matricula failures show" in mail.get_content()


def test_the_receiver_can_prove_whose_a_notice_is(told: Told, hook: Receiver) -> None:
    told.bench.done(hired(first_name=""))
    told.send()

    [(headers, body)] = hook.taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.reveal().encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert SECRET.reveal().encode() not in body


def test_what_could_not_be_sent_is_sent_later(told: Told, box: Mailbox, hook: Receiver) -> None:
    box.refuse, hook.status = True, 503
    told.bench.done(hired(first_name=""))
    told.send()
    assert told.problems() == {
        "mail": "the mail server did not take it (SMTPDataError)",
        "webhook": "the receiver answered HTTP 503",
    }

    box.refuse, hook.status = False, 204
    told.send()  # not yet
    assert len(hook.taken) == 1
    told.later(minutes=5)
    told.send()

    assert (len(box.taken), len(hook.taken)) == (1, 2)
    assert told.problems() == {"mail": None, "webhook": None}


def test_a_death_between_sending_and_saying_so_loses_nothing_and_repeats_the_same_id(
    told: Told, box: Mailbox, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver knows by the id what it has already."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    told.bench.done(hired(first_name=""))
    with monkeypatch.context() as patched:
        patched.setattr("workers.noticing.note_sent", killed)
        with pytest.raises(KeyboardInterrupt):
            told.send()
    told.send()  # nobody else sends it while it is claimed
    assert len(box.taken) + len(hook.taken) == 1
    told.later(seconds=LEASE.total_seconds())
    told.send()

    ids = {mail["Message-ID"] for mail in box.taken} | {f"<{h['webhook-id']}@example.org>" for h, _ in hook.taken}
    assert len(box.taken) + len(hook.taken) == 3
    assert len(ids) == 1
    assert told.bench.column("select count(*) from notice where sent_at is null") == [0]


def test_a_death_before_sending_loses_nothing(told: Told, box: Mailbox) -> None:
    told.bench.done(hired(first_name=""))
    with transaction(told.bench.pool) as db:
        claim_notices(db, most=10, lease=LEASE)
    told.send()
    assert box.taken == []

    told.later(seconds=LEASE.total_seconds())
    told.send()

    assert len(box.taken) == 1


def test_it_is_given_up_after_a_day(told: Told, hook: Receiver) -> None:
    hook.status = 500
    told.bench.done(hired(first_name=""))
    told.later(hours=25)
    told.send()
    told.later(hours=25)
    told.send()

    assert len(hook.taken) == 1
    assert told.problems()["webhook"] == "the receiver answered HTTP 500"


@pytest.mark.parametrize(
    ("changed", "channel", "problem"),
    [
        ({"smtp_url": ""}, "mail", "MATRICULA_SMTP_URL is not set"),
        ({"allow_private": False}, "webhook", "the address may not be called"),
    ],
    ids=["no mail server", "private address"],
)
def test_what_can_never_be_sent_says_why_and_is_not_tried_again(
    told: Told, changed: dict[str, Any], channel: str, problem: str
) -> None:
    """S7: the rule for LMS addresses holds at every call."""
    told.bench.done(hired(first_name=""))
    told.send(**changed)

    assert (told.problems()[channel] or "").startswith(problem)
    assert told.bench.column("select due_at from notice where channel = %(c)s", c=channel) == [None]


def test_a_redirect_is_not_followed(told: Told, hook: Receiver) -> None:
    """S7"""
    hook.status = 302
    told.bench.done(hired(first_name=""))
    told.send()

    assert told.problems()["webhook"] == "the receiver answered HTTP 302"


def test_nobody_named_is_nobody_told(pool: Pool) -> None:
    bench = Workbench(pool, FakeLms(courses=lms_courses()))
    bench.done(hired(first_name=""))
    Sender(Settings("", "", KEYS), Webhooks(build_client()), RecoveryPolicy(), lambda: 0.5).send_due(pool)

    with transaction(pool) as db:
        assert {line.problem for line in notices(db, TENANT)} == {
            "notices.mail_to names nobody",
            "notices.webhook_url is empty",
        }


def test_a_webhooks_address_is_checked_when_it_is_saved(pool: Pool) -> None:
    """S7"""
    bench = Workbench(pool, FakeLms())
    wanted = bench.integration().settings | {"name": "Other", "url": "https://1.1.1.1"}
    chosen = IntegrationSettings.model_validate(wanted | {"notices": {"webhook_url": "https://127.0.0.1/hook"}})

    with pytest.raises(NeedsAttention, match="url_private"):
        actions.with_checked_urls(chosen, Settings("", "", KEYS))


def test_the_secret_is_nowhere_in_the_clear(told: Told) -> None:
    """S6"""
    told.bench.done(hired(first_name=""))
    told.send()

    assert SECRET.reveal() not in everything_stored(told.bench.pool)
