"""Profile fields of an LMS: see what there is, see what is chosen, choose."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db import configuration
from db.configuration import IntegrationRow
from db.lms_fields import FieldStore, KnownField
from db.pool import Db, Pool, transaction
from domain.fields import KINDS, FieldMap, FieldNews, as_seen, concern_people, missing_options
from domain.integration import IntegrationSettings
from domain.lms import LmsField, LmsGateway
from ops.actions import NotFound, Refused
from ops.lms_access import lms_of
from ops.operators import Operator, audited, deed
from ops.recording import record_edit
from runtime.settings import Settings

DISCOVER = "integrations:field:discover"
MAP = "integrations:field:map"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a look at the LMS brought; `partial` says in words what it cannot have seen."""

    news: Sequence[FieldNews]
    partial: Sequence[str]


@dataclass(frozen=True, slots=True)
class FieldLine:
    """
    One row of the table of fields (R30).

    Attributes:
        source: Where the value comes from; None is "no choice", and the field is never written.
        note: What is wrong with the map: the field is gone, was never seen, or has another type by now (R39).
        missing: Texts that would be sent and that the menu does not have (R32).
    """

    area: str
    lms_field: str
    name: str
    kind: str
    options: tuple[str, ...] | None
    source: str | None = None
    note: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody chose for one field; what they left open is taken from what was discovered."""

    lms_field: str
    source: str
    kind: str | None = None
    options: tuple[str, ...] = ()
    value_map: Mapping[str, str] = field(default_factory=dict)
    when_empty: str = "leave"
    payrolls: tuple[str, ...] = ()


def discover(pool: Pool, settings: Settings, integration: IntegrationRow, *, by: Operator) -> Discovery:
    """As `look_and_keep`, because somebody asked for it."""
    by.check(DISCOVER, integration.tenant, integration.target)
    found = look_and_keep(pool, settings, integration)
    with transaction(pool) as db:
        news = Counter(item.news for item in found.news)
        audited(db, by, DISCOVER, integration.target, tenant=integration.tenant, after=news)
    return found


def look_and_keep(pool: Pool, settings: Settings, integration: IntegrationRow) -> Discovery:
    """
    The custom fields of users and courses are known as far as the token can see them (R28, R29, R39).

    Maps are kept. People are looked at again when a field of theirs changed, because what may be sent has changed.

    Raises:
        ProvisioningError: The LMS cannot be asked.
    """
    with transaction(pool) as db:
        store = FieldStore(db, integration.integration_id)
        users, keys = store.users_to_look_at(), store.keys_to_look_for()
    with lms_of(settings, integration) as gateway:
        seen = gateway.fields([gateway.site().user_id, *(users or _found(gateway, keys))])
    with transaction(pool) as db:
        news = FieldStore(db, integration.integration_id).keep(seen.fields)
        if concern_people(news):
            configuration.look_at_everybody(db, integration.tenant)
    return Discovery(news, seen.gaps)


def _found(gateway: LmsGateway, keys: Sequence[str]) -> list[str]:
    """Before anybody is linked: people whom the LMS knows by their key already."""
    return [user.user_id for user in gateway.find_users("external_key", keys)] if keys else []


def table(pool: Pool, integration: IntegrationRow) -> list[FieldLine]:
    """Every field that is known or mapped, with what is chosen for it."""
    with transaction(pool) as db:
        store = FieldStore(db, integration.integration_id)
        maps = {chosen.lms_field: chosen for chosen in _settings(integration).people.fields}
        known = store.known()
        values = {m.source: store.hr_values(integration.tenant, m.source) for m in maps.values() if m.kind == "menu"}
    names = {known_field.field.shortname for known_field in known if known_field.field.area == "user"}
    unseen = [KnownField(LmsField("user", m.lms_field, m.kind, ""), True) for m in maps.values()]
    lines = known + [entry for entry in unseen if entry.field.shortname not in names]
    return [
        _line(entry, maps.get(entry.field.shortname) if entry.field.area == "user" else None, values) for entry in lines
    ]


def _line(entry: KnownField, chosen: FieldMap | None, values: Mapping[str, Sequence[str]]) -> FieldLine:
    seen = entry.field
    if chosen is None:
        note = "not seen any more" if entry.gone else ""
        return FieldLine(seen.area, seen.shortname, seen.name, seen.kind, seen.options, note=note)
    [now] = as_seen([chosen], {} if entry.gone else {seen.shortname: seen})
    missing = missing_options(now, values.get(chosen.source, ()))
    options = now.options if now.kind == "menu" else seen.options
    return FieldLine(
        seen.area, seen.shortname, seen.name, seen.kind, options, chosen.source, _note(entry, chosen), missing
    )


def _note(entry: KnownField, chosen: FieldMap) -> str:
    if entry.gone:
        return "not seen any more" if entry.field.name else "never seen"
    if entry.field.kind != chosen.kind:
        return f"was a {chosen.kind}, is a {entry.field.kind} now"
    return ""


def map_field(pool: Pool, integration: IntegrationRow, choice: Choice, *, by: Operator) -> FieldMap:
    """
    The field is kept up to date from its source from now on; everybody is looked at again.

    Raises:
        Refused: The choice contradicts what was discovered, or that is not enough to go by.
        ValidationError: The two can never fit (R31).
    """
    by.check(MAP, integration.tenant, integration.target)
    with deed(pool, by) as db:
        known = {
            entry.field.shortname: entry.field
            for entry in FieldStore(db, integration.integration_id).known()
            if entry.field.area == "user"
        }
        seen = known.get(choice.lms_field)
        kind = _kind(choice, seen)
        wanted = {
            "lms_field": choice.lms_field,
            "kind": kind,
            "source": choice.source,
            "options": _options(choice, seen) if kind == "menu" else choice.options,
            "value_map": dict(choice.value_map),
            "when_empty": choice.when_empty,
            "payrolls": choice.payrolls,
        }
        others = [m for m in _maps(integration) if m["lms_field"] != choice.lms_field]
        saved = _changed(integration, [*others, wanted])
        _save(db, integration, saved, choice.lms_field, by)
    return saved.people.fields[-1]


def unmap_field(pool: Pool, integration: IntegrationRow, lms_field: str, *, by: Operator) -> None:
    """
    The field is never written again, and keeps what it holds (R30).

    Raises:
        NotFound: It is not mapped.
    """
    by.check(MAP, integration.tenant, integration.target)
    others = [m for m in _maps(integration) if m["lms_field"] != lms_field]
    if len(others) == len(_maps(integration)):
        raise NotFound(f"{lms_field} is not mapped; mapped are: {', '.join(m['lms_field'] for m in others) or 'none'}")
    with deed(pool, by) as db:
        _save(db, integration, _changed(integration, others), lms_field, by)


def _save(db: Db, integration: IntegrationRow, wanted: IntegrationSettings, lms_field: str, by: Operator) -> None:
    if not configuration.change_settings(db, integration, wanted):
        raise Refused("somebody else changed these settings meanwhile; look at them, and say it again")
    record_edit(db, by, MAP, integration, [f"people.fields.{lms_field}"])


def _kind(choice: Choice, seen: LmsField | None) -> str:
    if seen is None and choice.kind is None:
        raise Refused(f"{choice.lms_field} has not been seen in the LMS: discover the fields, or say its --kind")
    if seen is not None and choice.kind not in (None, seen.kind):
        raise Refused(f"{choice.lms_field} is a {seen.kind} in the LMS, not a {choice.kind}")
    kind = seen.kind if seen is not None else choice.kind
    if kind not in KINDS:
        raise Refused(f"fields of type {kind} cannot be kept up to date; {', '.join(KINDS)} can")
    return str(kind)


def _options(choice: Choice, seen: LmsField | None) -> tuple[str, ...]:
    told = seen.options if seen is not None else None
    if told is None and not choice.options:
        raise Refused(f"the LMS does not tell the options of {choice.lms_field}: give each of them with --option")
    strange = [option for option in choice.options if told is not None and option not in told]
    if strange:
        raise Refused(f"{choice.lms_field} does not offer {', '.join(strange)} in the LMS")
    return choice.options or told or ()


def _maps(integration: IntegrationRow) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _settings(integration).model_dump(mode="json")["people"]["fields"]
    return found


def _changed(integration: IntegrationRow, maps: list[dict[str, Any]]) -> IntegrationSettings:
    settings = _settings(integration).model_dump(mode="json")
    settings["people"]["fields"] = maps
    return IntegrationSettings.model_validate(settings)


def _settings(integration: IntegrationRow) -> IntegrationSettings:
    return IntegrationSettings.model_validate(integration.settings)
