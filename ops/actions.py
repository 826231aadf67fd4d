"""What people can do. Every skin, command line or API, calls these and has no powers of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from db import configuration
from db.checks import CheckStore
from db.configuration import IntegrationRow
from db.pool import Pool, transaction
from db.schema import create_schema
from domain.checks import Check, gaps
from domain.errors import NeedsAttention
from domain.integration import IntegrationSettings
from lms.addresses import check_url
from ops import selfcheck
from ops.operators import Operator, audited, deed
from ops.publishing import PUBLISH, TARGET
from ops.recording import record_state
from producers.broker import connect, declare, drop
from producers.feeds import BadLine, GoodLine, read_feed
from producers.publisher import Outcome, Publisher
from runtime.secrets import Secret
from runtime.settings import Settings

INIT = "ops:installation:init"
ADD = "integrations:integration:add"
ENABLE = "integrations:integration:enable"
SET_TOKEN = "integrations:token:set"  # noqa: S105 - a permission


class NotFound(LookupError):
    """Nothing has this name; the text says what there is."""


class Refused(ValueError):
    """The act would do harm or cannot work; the text says why and what to do."""


@dataclass(slots=True)
class Published:
    """What became of a feed."""

    confirmed: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    unconfirmed: dict[str, int] = field(default_factory=dict)
    problem: str = ""


def initialise(settings: Settings, pool: Pool, *, by: Operator) -> bool:
    """Database and broker hold what Matricula needs; False when the database was ready before."""
    by.check(INIT, None)
    with transaction(pool) as db:
        made = create_schema(db)
        if made:
            audited(db, by, INIT, "installation/database", tenant=None)
    connection = connect(settings.amqp_url, "init")
    try:
        declare(connection.channel())
    finally:
        drop(connection)
    return made


def publish_feed(
    path: str, settings: Settings, pool: Pool, *, by: Operator, on_line: Callable[[int], None] = lambda _: None
) -> Published:
    """
    Every good line of the file is with the broker, or counted by what became of it; bad lines are named.

    In a dry run the good ones are counted as confirmed, and none is sent.
    """
    by.check(PUBLISH, by.tenant)
    done = Published()

    def good_lines() -> Iterator[GoodLine]:
        for line in read_feed(path):
            on_line(line.number)
            if isinstance(line, BadLine):
                done.bad_lines.append(line)
            elif by.tenant not in (None, line.tenant):
                done.bad_lines.append(BadLine(line.number, "tenant", f"is not {by.tenant}, for which {by.name} acts"))
            else:
                yield line

    if by.dry_run:
        done.confirmed = sum(1 for _ in good_lines())
        return done
    with Publisher(settings.amqp_url) as publisher:
        for receipt in publisher.publish_all(line.event for line in good_lines()):
            if receipt.outcome is Outcome.CONFIRMED:
                done.confirmed += 1
            else:
                done.unconfirmed[receipt.outcome] = done.unconfirmed.get(receipt.outcome, 0) + 1
        done.problem = publisher.problem
    every = {"confirmed": done.confirmed, "bad lines": len(done.bad_lines), **done.unconfirmed}
    counts = {outcome: count for outcome, count in every.items() if count}
    with transaction(pool) as db:
        audited(db, by, PUBLISH, TARGET, tenant=by.tenant, after=counts)
    return done


def add_integration(
    pool: Pool,
    settings: Settings,
    tenant: str,
    wanted: IntegrationSettings,
    token: Secret,
    password: Secret | None,
    *,
    by: Operator,
) -> int:
    """
    The integration exists as a draft. Nothing is called before it is enabled.

    Raises:
        NeedsAttention: The URL cannot be used, or there is such an integration already.
        Refused: A preset password is wanted and missing, or given and not wanted.
    """
    by.check(ADD, tenant)
    if (wanted.people.password == "preset") != (password is not None):  # noqa: S105
        raise Refused("people.password is preset exactly when a password is given: set MATRICULA_PASSWORD, or neither")
    wanted = with_checked_urls(wanted, settings)
    with deed(pool, by) as db:
        added = configuration.add_integration(db, tenant, wanted, token, password, keys=settings.master_keys)
        audited(db, by, ADD, f"integration/{wanted.name}", tenant=tenant, after={"state": "draft", "version": 1})
    return added


def with_checked_urls(wanted: IntegrationSettings, settings: Settings) -> IntegrationSettings:
    """
    The settings with the LMS's URL in one spelling.

    Raises:
        NeedsAttention: It, or the address that notices are posted to, cannot be used (S7).
    """
    if wanted.notices.webhook_url:
        check_url(wanted.notices.webhook_url, settings.allow_private_lms)
    return wanted.model_copy(update={"url": check_url(wanted.url, settings.allow_private_lms)})


def find_integration(pool: Pool, name: str, tenant: str | None) -> IntegrationRow:
    """
    Raises:
        NotFound: No integration, or more than one, has this name.
    """
    with transaction(pool) as db:
        found = configuration.integrations(db, tenant, name)
        known = configuration.integrations(db, tenant)
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"several tenants have an integration called {name}; add --tenant")
    names = ", ".join(row.name for row in known) or "none yet; see `matricula integration add --help`"
    raise NotFound(f"no integration is called {name}; there is: {names}")


def integration_of(pool: Pool, integration_id: int) -> IntegrationRow:
    """
    Raises:
        NotFound: There is no such integration.
    """
    with transaction(pool) as db:
        found = configuration.integrations(db, integration_id=integration_id)
    if not found:
        raise NotFound(f"there is no integration {integration_id}")
    return found[0]


def public(row: IntegrationRow) -> dict[str, object]:
    """What may be told of an integration; its secrets are no part of it."""
    return {
        "integration_id": row.integration_id,
        "tenant": row.tenant,
        "name": row.name,
        "url": row.url,
        "state": row.state,
        "hold_code": row.hold_code,
        "hold_detail": row.hold_detail,
        "held_since": row.held_since,
        "settings_version": row.settings_version,
        "settings": row.settings,
    }


@dataclass(frozen=True, slots=True)
class Enabled:
    """The lines of the check that went before, and the state before; None when it worked already."""

    checks: list[Check]
    was: str | None


def enable(pool: Pool, settings: Settings, integration: IntegrationRow, *, by: Operator) -> Enabled:
    """
    The integration works from now on, if no line of its self-check failed; otherwise nothing changes (R160).

    Raises:
        NotReady: The check failed; its lines are the list of gaps.
    """
    by.check(ENABLE, integration.tenant, integration.target)
    look = selfcheck.looked if by.dry_run else selfcheck.look_and_keep
    findings = look(pool, settings, integration)
    if gaps(findings.checks):
        raise NotReady(findings.checks)
    with deed(pool, by) as db:
        was = configuration.enable(db, integration)
        if findings.identity:
            CheckStore(db, integration.integration_id).pin(findings.identity)
        if was:
            configuration.note(db, integration, "integration enabled", was=was)
            record_state(db, by, ENABLE, integration, before=was, after="active")
    return Enabled(findings.checks, was)


class NotReady(NeedsAttention):
    """The self-check failed."""

    def __init__(self, checks: list[Check]) -> None:
        failed = gaps(checks)
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        super().__init__(first.code, f"{first.name}{more}: {first.detail}")
        self.checks = checks


def replace_token(pool: Pool, settings: Settings, integration: IntegrationRow, token: Secret, *, by: Operator) -> None:
    """The integration uses this token from now on."""
    by.check(SET_TOKEN, integration.tenant, integration.target)
    with deed(pool, by) as db:
        configuration.replace_token(db, integration, token, keys=settings.master_keys)
        configuration.note(db, integration, "integration token replaced")
        audited(db, by, SET_TOKEN, integration.target, tenant=integration.tenant, after={"token": "changed"})


def replace_webhook_secret(
    pool: Pool, settings: Settings, integration: IntegrationRow, secret: Secret, *, by: Operator
) -> None:
    """Notices that are posted are signed with this from now on."""
    by.check(SET_TOKEN, integration.tenant, integration.target)
    with deed(pool, by) as db:
        configuration.replace_webhook_secret(db, integration, secret, keys=settings.master_keys)
        configuration.note(db, integration, "webhook secret replaced")
        audited(db, by, SET_TOKEN, integration.target, tenant=integration.tenant, after={"webhook_secret": "changed"})
