"""An integration from draft to removal: what people do with it besides adding and testing."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

from db import configuration
from db.configuration import IntegrationRow, PayrollRow
from db.lms_fields import FieldStore
from db.pool import Pool, transaction
from domain.advanced import completed
from domain.catalogue import misfitting_fields
from domain.checks import NOTHING_KNOWN, gaps, place_of
from domain.errors import ProvisioningError
from domain.integration import IntegrationSettings
from domain.scope import out_of_scope
from ops import selfcheck
from ops.actions import Enabled, NotReady, Refused, enable, with_checked_urls
from ops.fields import look_and_keep
from ops.operators import Operator, deed
from ops.recording import record_edit, record_state
from runtime.mail import NotSent, send
from runtime.secrets import Secret
from runtime.settings import Settings

EDIT = "integrations:integration:edit"
PAUSE = "integrations:integration:pause"
RESUME = "integrations:integration:resume"
REMOVE = "integrations:integration:remove"

Order = Literal["payroll", "people", "linked", "in-scope"]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting before and after; None where there is none."""

    setting: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit changed. `rekeyed` linked people get another id number in the LMS."""

    changes: list[Change]
    version: int
    rekeyed: int


@dataclass(frozen=True, slots=True)
class Payroll(PayrollRow):
    """One payroll as an integration sees it, which takes it in or not."""

    in_scope: bool

    @property
    def sweep(self) -> str:
        """How far the look at its people has come; an empty payroll in scope is a warning (R72)."""
        if self.swept is None:
            return ""
        if self.swept_at is None:
            return f"{self.swept} of {self.people}"
        return (
            "warning: nobody is in it" if self.in_scope and not self.people else f"done {self.swept_at:%Y-%m-%d %H:%M}"
        )


def differences(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The settings that differ, by dotted name; lists are told as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield Change(path, before, after)


def edited(integration: IntegrationRow, given: object) -> IntegrationSettings:
    """
    The settings as somebody gave them; advanced ones that they left out keep their values (R162).

    Raises:
        ValidationError: They cannot be.
    """
    held = IntegrationSettings.model_validate(integration.settings).model_dump(mode="json")
    return IntegrationSettings.model_validate(completed(given, held, IntegrationSettings))


def edit(
    pool: Pool,
    settings: Settings,
    integration: IntegrationRow,
    wanted: IntegrationSettings,
    *,
    by: Operator,
    password: Secret | None = None,
    rekey: bool = False,
) -> Edited:
    """
    The integration works by these settings from now on, as a new version; nothing happens when nothing differs.

    Args:
        rekey: Linked people may get another id number in the LMS (R164).

    Raises:
        NotReady: It is enabled, and the self-check at the new address failed.
        NeedsAttention: The new address cannot be used, or another integration serves that LMS.
        Refused: The name changes, the identity changes without `rekey`, a password is missing, or somebody else
            changed the settings meanwhile.
    """
    by.check(EDIT, integration.tenant, integration.target)
    wanted = with_checked_urls(wanted, settings)
    held = IntegrationSettings.model_validate(integration.settings)
    changes = list(differences(held.model_dump(mode="json"), wanted.model_dump(mode="json")))
    _refuse_what_cannot_change(integration, held, wanted, password)
    with transaction(pool) as db:
        linked = configuration.linked_people(db, integration)
    rekeyed = linked if held.people.identity != wanted.people.identity else 0
    if rekeyed and not rekey:
        raise Refused(
            f"people.identity changes, and {linked} linked people have their id number in the LMS already;"
            " say --rekey to give all of them another one"
        )
    if by.dry_run or not (changes or password):
        return Edited(changes, integration.settings_version, rekeyed)
    _check_new_place(settings, integration, held, wanted)
    _refuse_misfitting_fields(pool, integration, wanted)
    with transaction(pool) as db:
        if not configuration.change_settings(db, integration, wanted):
            raise Refused("somebody else changed these settings meanwhile; look at them, and edit again")
        if password or (integration.has_password and wanted.people.password != "preset"):  # noqa: S105
            configuration.replace_password(db, integration, password, keys=settings.master_keys)
        names = [change.setting for change in changes]
        configuration.note(db, integration, "integration edited", settings=names, rekeyed=rekeyed)
        record_edit(db, by, EDIT, integration, names + ["password"] * bool(password))
    return Edited(changes, integration.settings_version + 1, rekeyed)


def _refuse_what_cannot_change(
    integration: IntegrationRow, held: IntegrationSettings, wanted: IntegrationSettings, password: Secret | None
) -> None:
    if wanted.name != held.name:
        raise Refused(f"the name stays {held.name}: events call the integration by it")
    preset = wanted.people.password == "preset"  # noqa: S105
    if password and not preset:
        raise Refused("people.password is not preset: unset MATRICULA_PASSWORD")
    if preset and not (password or integration.has_password):
        raise Refused("people.password is preset: set MATRICULA_PASSWORD")


def _refuse_misfitting_fields(pool: Pool, integration: IntegrationRow, wanted: IntegrationSettings) -> None:
    """Course fields whose types can never fit are refused when they are saved, not when courses are read (R31, R38)."""
    with transaction(pool) as db:
        known = FieldStore(db, integration.integration_id).known()
    seen = {entry.field.shortname: entry.field for entry in known if entry.field.area == "course" and not entry.gone}
    wrong = misfitting_fields(wanted.catalogue, seen)
    if wrong:
        raise Refused(f"catalogue.fields: {'; '.join(wrong)}")


def _check_new_place(
    settings: Settings, integration: IntegrationRow, held: IntegrationSettings, wanted: IntegrationSettings
) -> None:
    """What works is not moved to a place where it would not."""
    if integration.state not in ("active", "quarantined") or place_of(held.url) == place_of(wanted.url):
        return
    findings = selfcheck.look(settings, integration, wanted, NOTHING_KNOWN, None)
    if gaps(findings.checks):
        raise NotReady(findings.checks)


def begin(
    pool: Pool, settings: Settings, integration: IntegrationRow, *, by: Operator, cost_confirmed: bool
) -> tuple[Enabled, str]:
    """
    The integration is enabled, its LMS's fields are known (R28), and its client is welcomed, once each time (R83).

    Returns:
        What became of the mail, as a sentence; a mail that fails does not undo the enabling.

    Raises:
        NotReady: The self-check failed; nothing changed.
        Refused: It costs something, and nobody said that they know (R177).
    """
    cost = IntegrationSettings.model_validate(integration.settings).monthly_cost
    if cost and not cost_confirmed and integration.state not in ("active", "quarantined"):
        raise Refused(f"{integration.name} costs {cost} a month from now on: confirm it")
    done = enable(pool, settings, integration, by=by)
    if by.dry_run:
        return done, ""
    with suppress(ProvisioningError):  # looked for again by the daily check
        look_and_keep(pool, settings, integration)
    if done.was not in ("draft", "paused"):
        return done, ""
    return done, _welcomed(settings, IntegrationSettings.model_validate(integration.settings))


def _welcomed(settings: Settings, chosen: IntegrationSettings) -> str:
    if not chosen.welcome.mail_to:
        return "No welcome mail: welcome.mail_to names nobody."
    if not settings.smtp_url:
        return "No welcome mail: MATRICULA_SMTP_URL is not set."
    guide = f"The user guide: {chosen.welcome.guide_url}\n" if chosen.welcome.guide_url else ""
    contacts = "".join(f"  {contact}\n" for contact in chosen.support.internal)
    asking = f"Questions go to:\n{contacts}" if contacts else ""
    text = (
        f"{chosen.name} is enabled: people, courses and results now go between HR and {chosen.url} by themselves.\n\n"
        f"{guide}{asking}"
    )
    try:
        send(settings, to=chosen.welcome.mail_to, subject=f"{chosen.name} is enabled", text=text)
    except NotSent as problem:
        return f"No welcome mail: {problem}. It is not tried again."
    return f"Welcome mail sent to {len(chosen.welcome.mail_to)} addresses."


def pause(pool: Pool, integration: IntegrationRow, *, by: Operator) -> bool:
    """
    Nobody calls the LMS; what arrives waits, and what is under way ends with its call (R161).

    Returns:
        False when it was paused already.

    Raises:
        Refused: It is a draft.
    """
    by.check(PAUSE, integration.tenant, integration.target)
    if integration.state == "draft":
        raise Refused(f"{integration.name} is a draft; nothing is called before it is enabled")
    if integration.state == "paused":
        return False
    with deed(pool, by) as db:
        configuration.set_state(db, integration, "paused")
        configuration.note(db, integration, "integration paused", was=integration.state)
        record_state(db, by, PAUSE, integration, before=integration.state, after="paused")
    return True


def resume(pool: Pool, integration: IntegrationRow, *, by: Operator) -> bool:
    """
    What waited is done, in order. Nothing is tested or mailed: that goes with enabling.

    Returns:
        False when it was working already.

    Raises:
        Refused: It is a draft.
    """
    by.check(RESUME, integration.tenant, integration.target)
    if integration.state == "draft":
        raise Refused(f"{integration.name} is a draft; enable it")
    if integration.state != "paused":
        return False
    with deed(pool, by) as db:
        configuration.set_state(db, integration, "active")
        configuration.note(db, integration, "integration resumed")
        record_state(db, by, RESUME, integration, before="paused", after="active")
    return True


def remove(pool: Pool, integration: IntegrationRow, *, by: Operator) -> None:
    """
    The link with the LMS is gone: token and password are wiped, name and address are free. History, links and results
    stay, and so do the accounts in the LMS (R179).
    """
    by.check(REMOVE, integration.tenant, integration.target)
    with deed(pool, by) as db:
        if configuration.remove(db, integration):
            configuration.note(db, integration, "integration removed", was=integration.state)
            record_state(db, by, REMOVE, integration, before=integration.state, after="removed")


def payrolls(
    pool: Pool,
    integration: IntegrationRow,
    *,
    containing: str = "",
    order: Order = "payroll",
    descending: bool = False,
) -> list[Payroll]:
    """
    The payrolls that HR has named, whether in scope or not, with their people (R17 to R19).

    Args:
        containing: Only those with this text in code or name, without regard to case.
    """
    wanted = IntegrationSettings.model_validate(integration.settings)
    with transaction(pool) as db:
        rows, words = configuration.payrolls(db, integration)
    found = [
        Payroll(**asdict(row), in_scope=out_of_scope(row.payroll, enabled_payrolls=words, settings=wanted) is None)
        for row in rows
        if containing.casefold() in f"{row.payroll or ''} {row.name}".casefold()
    ]
    found.sort(key=lambda p: (p.payroll is None, p.payroll or ""))
    if order != "payroll":
        found.sort(key=lambda p: {"people": p.people, "linked": p.linked, "in-scope": not p.in_scope}[order])
    return found[::-1] if descending else found
