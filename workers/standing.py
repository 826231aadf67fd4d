"""How we stand with a site: welcome, asked for peace, or refused. Nobody calls one that is not ready."""

import structlog

from db.accounts import Integration, Problem, WorkStore
from db.pool import Pool, transaction
from domain.errors import (
    BudgetSpent,
    HoldIntegration,
    NeedsAttention,
    ProvisioningError,
    StoreUnavailable,
    TransientFailure,
)
from domain.recovery import backoff
from workers.purse import spending_on
from workers.site import OpenSite, Site, WorkRules

log = structlog.get_logger()

DISPROVED_BY_SITE_INFO = frozenset(
    {"token_refused", "service_account_suspended", "webservices_off", "wrong_url", "url_moved", "key_mismatch"}
)
"""What cannot be so when the site tells about itself. Other holds are healed by the first work that succeeds, so that a
right that is missing stays one failure however often it is tried (E3)."""


def ready_site(integration_id: int, pool: Pool, open_site: OpenSite, rules: WorkRules) -> Site | None:
    """None when the integration may not be called now. A quarantined one is asked whether it is over."""
    with transaction(pool) as db:
        integration = WorkStore(db, integration_id).integration()
    if integration is None or integration.state not in ("active", "quarantined"):
        return None
    if integration.state == "quarantined" and not probe(integration, pool=pool, open_site=open_site, rules=rules):
        return None
    if integration.state == "active" and integration.resting:
        return None
    try:
        site = open_site(integration)
        if site.purse:
            site.purse.known()
    except StoreUnavailable:
        raise
    except ProvisioningError as error:
        with transaction(pool) as db:
            note_site(WorkStore(db, integration_id), integration, error, rules)
        return None
    return site


def note_site(store: WorkStore, integration: Integration, stop: ProvisioningError | None, rules: WorkRules) -> None:
    """
    The site answered, is away for a while, or refuses us; in the last two cases nobody calls it for now.

    Calls that we cannot pay for say nothing of the site.
    """
    match stop:
        case None:
            store.note_answer()
            store.resolve_failures("integration", [integration.integration_id])
        case BudgetSpent():
            pass
        case HoldIntegration():
            hold(store, integration, stop, rules)
        case TransientFailure():
            wait = stop.retry_after or backoff(store.outages() + 1, dice=max(0.1, rules.dice()), policy=rules.policy)
            store.note_outage(wait)
            problem = Problem("integration", str(integration.integration_id), stop.code, stop.detail)
            store.open_failures(integration.tenant, [problem])
        case NeedsAttention():
            problem = Problem("integration", str(integration.integration_id), stop.code, stop.detail)
            store.open_failures(integration.tenant, [problem])
            store.note_outage(rules.policy.cap)
        case _:
            raise stop


def hold(store: WorkStore, integration: Integration, cause: HoldIntegration, rules: WorkRules) -> None:
    """The integration is quarantined, with one notice; its work stays due and waits."""
    if store.quarantine(cause.code, cause.detail, rules.timing.probe_every):
        problem = Problem("integration", str(integration.integration_id), cause.code, cause.detail)
        store.open_failures(integration.tenant, [problem])
        log.error("integration quarantined", integration_id=integration.integration_id, code=cause.code)


def probe(integration: Integration, *, pool: Pool, open_site: OpenSite, rules: WorkRules) -> bool:
    """
    A quarantined integration is asked, with the cheapest call there is, whether it would have us back.

    Returns:
        True when it does: held work is due again.
    """
    integration_id = integration.integration_id
    with transaction(pool) as db:
        hold_code = WorkStore(db, integration_id).put_off_probe(rules.timing.probe_every)
    if hold_code is None:
        return False
    try:
        with spending_on("urgent"):
            open_site(integration).gateway.site()
    except ProvisioningError as error:
        log.info("probe refused", integration_id=integration_id, code=error.code)
        if isinstance(error, HoldIntegration):
            with transaction(pool) as db:
                _still_held(WorkStore(db, integration_id), integration, error)
        return False
    with transaction(pool) as db:
        store = WorkStore(db, integration_id)
        released = store.release()
        if hold_code in DISPROVED_BY_SITE_INFO:
            store.resolve_failures("integration", [integration_id])
    log.info("quarantine ended", integration_id=integration_id)
    return released


def _still_held(store: WorkStore, integration: Integration, cause: HoldIntegration) -> None:
    """The site refuses us still; for another reason, that one is what people see and are told."""
    if store.change_hold(cause.code, cause.detail):
        subject = str(integration.integration_id)
        store.resolve_failures("integration", [subject])
        store.open_failures(integration.tenant, [Problem("integration", subject, cause.code, cause.detail)])
        log.error("quarantine changed", integration_id=integration.integration_id, code=cause.code)
