"""Trying failures again: choose, look, confirm, and have the workers do it; every skin calls these."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from db.configuration import IntegrationRow, integrations
from db.pool import Db, Pool, transaction
from db.releases import Member
from db.replay_views import ReplayRow, replay_row
from db.replays import ChoosingStore, NewReplay, Selection
from domain.errors import StoreUnavailable
from domain.failure_catalogue import describe
from domain.integration import IntegrationSettings
from domain.replays import (
    LADDER,
    REPLAYABLE,
    Digest,
    Mode,
    Replays,
    Rules,
    digest,
    needs_approval,
    rate,
    takes,
)
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, deed
from ops.previews import Foreseen, Sample, foresee_messages, foresee_work
from ops.replay_acts import find
from runtime.crashpoints import crashpoint
from runtime.settings import Settings

REASON_ABOVE = 10
MOST = 100_000
"""Failures in one replay; more are tried in several (S20)."""
LARGE = 100
CREATE, CREATE_LARGE = "replays:replay:create", "replays:large:create"
LOCK_NOT_AVAILABLE = "55P03"
MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What trying these again would come to. Confirming carries its digest.

    Attributes:
        integration: Its name; None for messages.
        refused: Why single ids of a list are not among the members.
        effects: Members by what would come of them; `unknown` holds those that were not looked up.
        sampled: So many people were looked up; None when all were. `estimated` is what the unknown ones would come to.
        calls: About so many LMS calls.
        waits: Why nothing would be begun for now; empty when it would.
        approval: Why a second person has to agree; empty when nobody has to.
    """

    tenant: str | None
    integration: str | None
    mode: Mode
    digest: str
    members: int
    refused: Mapping[int, str]
    effects: Mapping[str, int]
    samples: Sequence[Sample]
    sampled: int | None
    estimated: Mapping[str, int]
    deactivations: int
    calls: int
    per_minute: float
    takes_s: float
    waits: str
    approval: str


@dataclass(frozen=True, slots=True)
class Created:
    """A replay, and whether it was made a moment ago by the same confirmation."""

    replay: ReplayRow
    existed: bool


@dataclass(slots=True)
class _Chosen:
    """The members of a selection, all of one integration or all of them messages."""

    selection: Selection
    members: list[Member]
    refused: dict[int, str]
    integration: IntegrationRow | None
    digest: Digest
    allowed: float | None
    settings: Replays = field(default_factory=Replays)

    @property
    def tenant(self) -> str | None:
        return self.members[0].tenant

    @property
    def lms(self) -> str:
        return str(self.integration.settings.get("lms", "moodle")) if self.integration else "hr"


def preview(
    pool: Pool,
    settings: Settings,
    tenant: str | None,
    selection: Selection,
    *,
    mode: Mode = "resume",
    share: float | None = None,
) -> Preview:
    """
    What would come of it; writes nothing.

    Args:
        share: Of what the LMS takes; without it the integration's own choice.

    Raises:
        NotFound: Nothing that can be tried again matches.
        Refused: Nothing was chosen, or failures of more than one integration.
        ProvisioningError: The LMS does not let itself be read.
    """
    chosen = _chosen(pool, tenant, selection, mode)
    return _preview(chosen, _foreseen(pool, settings, chosen, mode), mode, share)


def create(
    pool: Pool,
    settings: Settings,
    tenant: str | None,
    selection: Selection,
    by: Operator,
    *,
    mode: Mode = "resume",
    share: float | None = None,
    confirmed: str | None = None,
) -> Created:
    """
    Exactly what the preview showed is tried again, by the workers and step by step; one failure needs no preview.

    Args:
        confirmed: The preview's digest.

    Raises:
        NotFound, ProvisioningError: As `preview`.
        Refused: As `preview`; or something has changed since the preview, nothing was confirmed, a reason is missing,
            or another replay is at work there. Nothing is done then.
    """
    by.check(CREATE, tenant)
    seen = _parsed(confirmed)
    made = _made_before(pool, tenant, seen)
    if made:
        return Created(made, existed=True)
    chosen = _chosen(pool, tenant, selection, mode)
    action = CREATE_LARGE if len(chosen.members) > LARGE else CREATE
    by.check(action, tenant)
    _check(chosen, by, seen)
    foreseen = _foreseen(pool, settings, chosen, mode)
    shown = _preview(chosen, foreseen, mode, share)
    with deed(pool, by) as db:
        store = ChoosingStore(db, tenant)
        store.lock()
        same = store.same(chosen.digest)
        replay_id = same or _freeze(store, chosen, foreseen, shown, by)
        row = find(db, tenant, replay_id)
        if same is None:
            after = {"integration": row.integration, "failures": row.members, "mode": mode, "foreseen": shown.effects}
            audited(db, by, action, f"replay/{replay_id}", tenant=row.tenant, after=after)
    crashpoint("replay.frozen")
    return Created(row, existed=same is not None)


def _parsed(confirmed: str | None) -> Digest | None:
    try:
        return Digest.parse(confirmed) if confirmed is not None else None
    except ValueError:
        raise Refused("the digest is none; take it from the preview as it stands there") from None


def _made_before(pool: Pool, tenant: str | None, seen: Digest | None) -> ReplayRow | None:
    """The replay that the same confirmation made a moment ago: a second click, or a second person (J2)."""
    with transaction(pool) as db:
        same = ChoosingStore(db, tenant).same(seen) if seen else None
        return replay_row(db, tenant, same) if same else None


def _freeze(store: ChoosingStore, chosen: _Chosen, foreseen: Foreseen, seen: Preview, by: Operator) -> int:
    integration_id = chosen.integration.integration_id if chosen.integration else None
    active = store.active(chosen.tenant, integration_id)
    if active is not None:
        raise Refused(f"replay {active} is at work there; wait for its end, or `matricula replay cancel {active}`")
    new = NewReplay(
        tenant=chosen.tenant,
        integration_id=integration_id,
        mode=seen.mode,
        selection=chosen.selection,
        digest=chosen.digest,
        predicted=foreseen.effects,
        counts=seen.effects,
        reason=by.reason,
        per_minute=seen.per_minute,
        rules=Rules(LADDER, chosen.settings.stop_share, chosen.settings.stop_in_a_row),
        approval=bool(seen.approval),
        by=by.name,
    )
    return store.freeze(new, chosen.members)


def _chosen(pool: Pool, tenant: str | None, selection: Selection, mode: Mode) -> _Chosen:
    if not selection:
        raise Refused("say which failures: by number, group, integration, code, person, payroll, course, type or time")
    with transaction(pool) as db:
        store = ChoosingStore(db, tenant)
        members = store.members(selection, most=MOST + 1)
        if len(members) > MOST:
            raise Refused(f"more than {MOST:,} failures match: choose fewer, by integration, code or time")
        refused = _refused(store, selection, members)
        if not members:
            raise NotFound(_nothing(refused))
        integration = _integration(db, members)
        integration_id = integration.integration_id if integration else None
        version = store.settings_version(integration_id)
        allowed = store.people_per_minute(integration_id)
        now = store.now()
    told = [(member.failure_id, member.times) for member in members]
    seal = digest(told, mode=mode, settings_version=version, at=now)
    chosen = _Chosen(selection, members, refused, integration, seal, allowed)
    if integration:
        chosen.settings = IntegrationSettings.model_validate(integration.settings).replays
    return chosen


def _refused(store: ChoosingStore, selection: Selection, members: Sequence[Member]) -> dict[int, str]:
    """Why single ids of a list are left out; of another client's nobody hears that they exist (J7)."""
    if selection.ids is None:
        return {}
    left = set(selection.ids) - {member.failure_id for member in members}
    known = store.why_not(left)
    return {failure_id: known.get(failure_id, "there is no such failure") for failure_id in sorted(left)}


def _nothing(refused: Mapping[int, str]) -> str:
    if not refused:
        return f"no failure that can be tried again matches; those are failures of {', '.join(REPLAYABLE)}"
    return "none of these can be tried again: " + "; ".join(f"{number}: {why}" for number, why in refused.items())


def _integration(db: Db, members: Sequence[Member]) -> IntegrationRow | None:
    scopes = {(member.tenant, member.integration_id) for member in members}
    rows = {row.integration_id: row for row in integrations(db)}
    if len(scopes) > 1:
        names = sorted({rows[i].name if i in rows else MESSAGES for _, i in scopes})
        raise Refused(
            f"failures of {', '.join(names)} match; choose one integration, or one client's messages, at a time"
        )
    _, integration_id = scopes.pop()
    return rows[integration_id] if integration_id is not None else None


def _foreseen(pool: Pool, settings: Settings, chosen: _Chosen, mode: Mode) -> Foreseen:
    try:
        if chosen.integration is None:
            return foresee_messages(pool, chosen.tenant, chosen.members)
        return foresee_work(pool, settings, chosen.integration, chosen.members, mode)
    except StoreUnavailable as error:
        if error.detail != LOCK_NOT_AVAILABLE:
            raise
        raise Refused("events of this client are being applied right now; try again in a moment") from None


def _preview(chosen: _Chosen, foreseen: Foreseen, mode: Mode, share: float | None) -> Preview:
    effects: Counter[str] = Counter(foreseen.effects.values())
    effects["unknown"] += len(chosen.members) - len(foreseen.effects)
    per_minute = rate(chosen.lms, share or chosen.settings.share, chosen.allowed)
    return Preview(
        tenant=chosen.tenant,
        integration=chosen.integration.name if chosen.integration else None,
        mode=mode,
        digest=str(chosen.digest),
        members=len(chosen.members),
        refused=chosen.refused,
        effects={effect: count for effect, count in effects.items() if count},
        samples=foreseen.samples,
        sampled=foreseen.sampled,
        estimated=foreseen.estimated,
        deactivations=foreseen.deactivations,
        calls=foreseen.work.calls(chosen.lms),
        per_minute=per_minute,
        takes_s=takes(len(chosen.members), per_minute).total_seconds(),
        waits=_waits(chosen.integration),
        approval=needs_approval(len(chosen.members), foreseen.deactivations, chosen.settings),
    )


def _waits(integration: IntegrationRow | None) -> str:
    if integration is None or integration.state == "active":
        return ""
    if integration.state == "quarantined":
        return f"{integration.name} is held: {describe(integration.hold_code or '').title}"
    return f"{integration.name} is {integration.state}"


def _check(chosen: _Chosen, by: Operator, seen: Digest | None) -> None:
    count = len(chosen.members)
    if count > REASON_ABOVE and not by.reason.strip():
        raise Refused(f"trying {count} again needs a reason")
    if seen is None and count > 1:
        raise Refused(f"this is about {count} failures: look at a preview, and confirm it by its digest")
    if seen is not None and seen.sum != chosen.digest.sum:
        raise Refused(_difference(seen, chosen))


def _difference(seen: Digest, chosen: _Chosen) -> str:
    """What is not as it was, as far as a digest tells."""
    now = len(chosen.members)
    if now != seen.members:
        what = f"{now} failures match where {seen.members} did"
    else:
        what = "it is about other failures, or some have failed again, or the settings changed"
    return f"something has changed since the preview of {seen.at:%H:%M:%S} UTC: {what}; look at a new preview"
