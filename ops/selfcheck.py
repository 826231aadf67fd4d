"""The self-check as a person asks for it: at any time, also of a draft and while paused (R180)."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from db.checks import CheckStore
from db.configuration import IntegrationRow
from db.pool import Pool, transaction
from db.vault import unsealed
from domain.checks import Identity, Known, gaps
from domain.errors import HoldIntegration
from domain.identities import Compared, Finding, compare
from domain.integration import IntegrationSettings
from lms.opening import Gateways
from lms.selfcheck import Findings, Subject, self_check
from ops.lms_access import reading, token_of
from ops.operators import Operator, audited
from runtime.settings import Settings

TEST = "integrations:integration:test"
PATIENCE = timedelta(seconds=10)
PEOPLE_AT_ONCE = 500


def check(pool: Pool, settings: Settings, integration: IntegrationRow, *, by: Operator) -> Findings:
    """As `look_and_keep`, because somebody asked for it. A quarantine is probed at once when no line is red."""
    by.check(TEST, integration.tenant, integration.target)
    findings = look_and_keep(pool, settings, integration)
    states = Counter(line.state for line in findings.checks)
    with transaction(pool) as db:
        if not gaps(findings.checks):
            CheckStore(db, integration.integration_id).ask_again()
        audited(db, by, TEST, integration.target, tenant=integration.tenant, after=states)
    return findings


def look_and_keep(pool: Pool, settings: Settings, integration: IntegrationRow) -> Findings:
    """As `looked`, and kept as the integration's last check."""
    findings = looked(pool, settings, integration)
    with transaction(pool) as db:
        reached = findings.identity is not None
        CheckStore(db, integration.integration_id).save(findings.checks, reached=reached)
    return findings


def looked(pool: Pool, settings: Settings, integration: IntegrationRow) -> Findings:
    """Every line about the integration as it is set up. Only harmless calls are made."""
    wanted = IntegrationSettings.model_validate(integration.settings)
    with transaction(pool) as db:
        store = CheckStore(db, integration.integration_id)
        known, pinned = store.known(wanted), store.pinned()
        sealed = store.password_sealed()
    return look(settings, integration, wanted, known, pinned, _password(settings, integration, sealed))


def look(
    settings: Settings,
    integration: IntegrationRow,
    wanted: IntegrationSettings,
    known: Known,
    pinned: Identity | None,
    password: str | None = None,
) -> Findings:
    """The lines that the integration would have with these settings; nothing is kept."""
    with Gateways(allow_private=settings.allow_private_lms, deadline=PATIENCE) as gateways:
        subject = Subject(
            wanted.url,
            wanted,
            lambda: gateways.probe(wanted, token_of(settings, integration)),
            known,
            pinned,
            password,
        )
        return self_check(subject, allow_private=settings.allow_private_lms)


def _password(settings: Settings, integration: IntegrationRow, sealed: bytes | None) -> str | None:
    """The preset password, to be held against a policy. A key that does not open it shows at the token's line."""
    if sealed is None:
        return None
    try:
        return unsealed(integration, "password", sealed, settings.master_keys).reveal()
    except HoldIntegration:
        return None


def compare_id_numbers(
    pool: Pool, settings: Settings, integration: IntegrationRow, on_people: Callable[[int], None] = lambda _: None
) -> Compared:
    """
    Whether the LMS's users have the id numbers that this integration will look for (R165); nothing is written.

    People are those whom HR has told us of. A user whose address differs in case only is found where the LMS's
    database compares without regard to case.
    """
    right, absent, seen = 0, 0, 0
    findings: list[Finding] = []
    with reading(settings, integration) as lms:
        after = ""
        while True:
            with transaction(pool) as db:
                people = CheckStore(db, integration.integration_id).wanted_identities(after=after, most=PEOPLE_AT_ONCE)
            if not people:
                return Compared(right, absent, findings)
            users = [
                *lms.find_users("external_key", [person.external_key for person in people]),
                *lms.find_users("email", [person.email for person in people if person.email]),
            ]
            page = compare(people, users)
            right, absent = right + page.right, absent + page.absent
            findings += page.findings
            after, seen = people[-1].employee_key, seen + len(people)
            on_people(seen)
