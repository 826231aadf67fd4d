"""What people can do. Every skin, command line or API, calls these and has no powers of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from db import configuration
from db.configuration import IntegrationRow
from db.pool import Pool, transaction
from db.schema import create_schema
from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError
from domain.integration import IntegrationSettings
from lms.addresses import check_url
from lms.opening import Gateways
from producers.broker import connect, declare, drop
from producers.feeds import BadLine, GoodLine, read_feed
from producers.publisher import Outcome, Publisher
from runtime.secrets import CannotUnseal, Secret, unseal
from runtime.settings import Settings

NEEDED_FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_user_create_users",
    "core_user_update_users",
    "core_user_get_users_by_field",
    "core_user_get_users",
    "enrol_manual_enrol_users",
    "core_course_get_courses",
    "core_enrol_get_users_courses",
    "core_completion_get_course_completion_status",
    "gradereport_user_get_grade_items",
)
REPORT_FUNCTION = "core_reportbuilder_retrieve_report"


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


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection test."""

    name: str
    state: Literal["ok", "failed", "not checked"]
    detail: str = ""
    code: str = ""


def initialise(settings: Settings, pool: Pool) -> bool:
    """Database and broker hold what Matricula needs; False when the database was ready before."""
    with transaction(pool) as db:
        made = create_schema(db)
    connection = connect(settings.amqp_url, "init")
    try:
        declare(connection.channel())
    finally:
        drop(connection)
    return made


def publish_feed(path: str, settings: Settings, *, on_line: Callable[[int], None] = lambda _: None) -> Published:
    """Every good line of the file is with the broker, or counted by what became of it; bad lines are named."""
    done = Published()

    def good_lines() -> Iterator[GoodLine]:
        for line in read_feed(path):
            on_line(line.number)
            if isinstance(line, BadLine):
                done.bad_lines.append(line)
            else:
                yield line

    with Publisher(settings.amqp_url) as publisher:
        for receipt in publisher.publish_all(line.event for line in good_lines()):
            if receipt.outcome is Outcome.CONFIRMED:
                done.confirmed += 1
            else:
                done.unconfirmed[receipt.outcome] = done.unconfirmed.get(receipt.outcome, 0) + 1
        done.problem = publisher.problem
    return done


def add_integration(
    pool: Pool, settings: Settings, tenant: str, wanted: IntegrationSettings, token: Secret, password: Secret | None
) -> int:
    """
    The integration exists as a draft. Nothing is called before it is enabled.

    Raises:
        NeedsAttention: The URL cannot be used, or there is such an integration already.
        Refused: A preset password is wanted and missing, or given and not wanted.
    """
    if (wanted.people.password == "preset") != (password is not None):  # noqa: S105
        raise Refused("people.password is preset exactly when a password is given: set MATRICULA_PASSWORD, or neither")
    url = check_url(wanted.url, settings.allow_private_lms)
    wanted = wanted.model_copy(update={"url": url})
    with transaction(pool) as db:
        return configuration.add_integration(db, tenant, wanted, token, password, key=settings.master_key)


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


def check_integration(settings: Settings, integration: IntegrationRow) -> list[Check]:
    """
    Whether the integration could work now: one line per fact. Only harmless calls are made, also while paused (R180).
    """
    checks: list[Check] = []
    try:
        check_url(integration.url, settings.allow_private_lms)
        checks.append(Check("address", "ok", integration.url))
        token = _token(settings, integration)
        with Gateways(allow_private=settings.allow_private_lms, deadline=timedelta(seconds=10)) as gateways:
            gateway = gateways.open(integration.url, token)
            site = gateway.site()
            checks.append(Check("site and token", "ok", f"{site.name}, Moodle {site.release}"))
            wanted = IntegrationSettings.model_validate(integration.settings)
            needed = NEEDED_FUNCTIONS + ((REPORT_FUNCTION,) if wanted.results.report else ())
            missing = [name for name in needed if name not in site.functions]
            checks.append(_functions(missing))
            own = gateway.find_users("user_id", [site.user_id])
            checks.append(
                Check("sees users", "ok")
                if own
                else Check("sees users", "failed", "the token may not see even its own account", "right_missing")
            )
            checks.append(Check("sees courses", "ok", f"{len(gateway.courses())} courses"))
    except ProvisioningError as error:
        checks.append(Check(_step(checks), "failed", error.detail, error.code))
    return checks


def _functions(missing: list[str]) -> Check:
    if missing:
        return Check("functions", "failed", f"missing in the service: {', '.join(missing)}", "function_missing")
    return Check("functions", "ok", "all that are needed")


def _step(checks: list[Check]) -> str:
    return ("address", "site and token", "functions", "sees users", "sees courses")[min(len(checks), 4)]


def _token(settings: Settings, integration: IntegrationRow) -> Secret:
    try:
        bound = configuration.bound_to(integration.tenant, integration.name, "token")
        return unseal(integration.token_sealed, key=settings.master_key, bound_to=bound)
    except CannotUnseal:
        raise HoldIntegration("key_mismatch", "the token was sealed with another MATRICULA_KEY") from None


def enable(pool: Pool, settings: Settings, integration: IntegrationRow) -> list[Check]:
    """
    The integration works from now on, if the connection test is all well; otherwise nothing changes (R160).

    Raises:
        NeedsAttention: The test failed; the checks say where.
    """
    checks = check_integration(settings, integration)
    if any(check.state == "failed" for check in checks):
        raise NotReady(checks)
    with transaction(pool) as db:
        configuration.set_state(db, integration, "active")
    return checks


class NotReady(NeedsAttention):
    """The connection test failed."""

    def __init__(self, checks: list[Check]) -> None:
        failed = next(check for check in checks if check.state == "failed")
        super().__init__(failed.code, f"{failed.name}: {failed.detail}")
        self.checks = checks


def pause(pool: Pool, integration: IntegrationRow) -> None:
    """Nobody calls the LMS; events go on being stored and applied, and the work waits (R161)."""
    with transaction(pool) as db:
        configuration.set_state(db, integration, "paused")


def replace_token(pool: Pool, settings: Settings, integration: IntegrationRow, token: Secret) -> None:
    """The integration uses this token from now on."""
    with transaction(pool) as db:
        configuration.replace_token(db, integration, token, key=settings.master_key)
