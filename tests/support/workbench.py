"""
A workbench: one tenant's integration on a real database, an LMS in this process, and the use cases bound to both.

    bench = Workbench(pool, lms=FakeLms(courses=lms_courses()))
    bench.tell(hired("E-1"), enrolled("EN-1"))     # stored and applied
    bench.provision()
    bench.pass_time(minutes=1)                     # what waits for a time comes nearer by a minute

Stored times are moved instead of the clock, because the database's own clock is the one that counts.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
from psycopg import sql
from psycopg.rows import dict_row

from db import configuration
from db.accounts import Integration
from db.inbox import store
from db.pool import Pool, transaction
from domain.errors import HoldIntegration
from domain.integration import IntegrationSettings
from domain.lms import LmsGateway, UnitGateway
from domain.recovery import RecoveryPolicy
from lms.calls import CallRecord
from lms.moodle import MoodleGateway
from lms.talentlms import TalentGateway
from runtime.secrets import MasterKeys, Secret
from runtime.settings import Timing
from runtime.topology import INBOX_QUEUE
from simulators.moodle import MoodleSite, moodle_site
from simulators.talentlms import API_KEY, TalentSite
from tests.contract.simulator_transport import transport
from tests.support.builders import COURSES, TENANT, Event, as_bytes, settings
from workers.apply import apply_events
from workers.arrivals import Arrival, read
from workers.catalogue import maintain_catalogue
from workers.poll import poll_results
from workers.provision import provision
from workers.purse import Purse
from workers.scan import scan
from workers.site import CallMeter, Site, WorkRules
from workers.syncing import maintain_syncs

KEY = "A" * 43 + "="
KEYS = MasterKeys.read(KEY)
TOKEN = "canary-token-0c4e"

Row = dict[str, Any]
Lms = LmsGateway | MoodleSite | TalentSite

PASS_TIME = """
    update account set due_at = due_at - %(d)s, lease_until = lease_until - %(d)s,
                       first_attempt_at = first_attempt_at - %(d)s;
    update placement set due_at = due_at - %(d)s, first_attempt_at = first_attempt_at - %(d)s,
                         group_due_at = group_due_at - %(d)s, group_first_at = group_first_at - %(d)s,
                         finished_since = finished_since - %(d)s, read_at = read_at - %(d)s;
    update integration set resume_at = resume_at - %(d)s, courses_seen_at = courses_seen_at - %(d)s,
                           courses_retry_at = courses_retry_at - %(d)s, added_at = added_at - %(d)s;
    update operation_hold set probe_at = probe_at - %(d)s;
    update sync_run set started_at = started_at - %(d)s;
    update call_budget set resets_at = resets_at - %(d)s, crowded_until = crowded_until - %(d)s,
                           checked_at = checked_at - %(d)s;
    update sweep set due_at = due_at - %(d)s;
    update scan set due_at = due_at - %(d)s, hour_began_at = hour_began_at - %(d)s;
    update account set changed_at = changed_at - %(d)s;
    update poll_cursor set due_at = due_at - %(d)s, lease_until = lease_until - %(d)s, full_at = full_at - %(d)s,
                           regraded_at = regraded_at - %(d)s, polled_at = polled_at - %(d)s
"""


def academy(**site: Any) -> MoodleSite:
    """
    A simulated Moodle with the invented courses and the bench's token.
    """
    return moodle_site(**({"courses": COURSES, "token": TOKEN} | site))


def store_events(pool: Pool, *events: Event | bytes) -> None:
    """
    Store the events as ingest does.
    """
    bodies = [said if isinstance(said, bytes) else as_bytes(said) for said in events]
    with transaction(pool) as db:
        store(db, [read(Arrival(body, INBOX_QUEUE)) for body in bodies])


class Workbench:
    """
    Attributes:
        woken: The integrations that `apply` woke.
        purses: The calls of each integration whose LMS counts them.
        integration_id: The first integration; `add` makes more, each on the LMS given for it.
    """

    def __init__(
        self,
        pool: Pool,
        lms: Lms,
        /,
        *,
        password: str | None = None,
        batch: int = 100,
        dice: float = 0.5,
        active: bool = True,
        **chosen: Any,
    ) -> None:
        self.pool = pool
        self.woken: list[int] = []
        self.rules = self.work_rules(dice, batch)
        self._gateways: dict[int, LmsGateway] = {}
        self._meters: dict[int, CallMeter] = {}
        self.purses: dict[int, Purse] = {}
        self._password = Secret(password) if password else None
        self.integration_id = self.add(lms, settings(**chosen), active=active)

    @staticmethod
    def work_rules(dice: float = 0.5, batch: int = 100) -> WorkRules:
        """
        The installation's default times, and dice that always fall alike.
        """
        return WorkRules(Timing(), RecoveryPolicy(), lambda: dice, lambda: False, batch)

    def add(self, lms: Lms, wanted: IntegrationSettings, *, active: bool = True) -> int:
        """
        Another integration of the tenant, on its own LMS.
        """
        token = Secret(API_KEY if isinstance(lms, TalentSite) else TOKEN)
        with transaction(self.pool) as db:
            found = configuration.add_integration(db, TENANT, wanted, token, self._password, keys=KEYS)
        self._meters[found] = CallMeter()
        if isinstance(lms, TalentSite):
            self.purses[found] = Purse(self.pool, found, wanted.calls, lambda: self._portal(found).allowance())
        self._gateways[found] = self._gateway(lms, found, wanted)
        if active:
            self.set_state("active", wanted.name)
        return found

    def _gateway(self, lms: Lms, integration_id: int, wanted: IntegrationSettings) -> LmsGateway:
        if not isinstance(lms, MoodleSite | TalentSite):
            return lms
        client = httpx.Client(transport=transport(lms), timeout=30)

        def count(call: CallRecord) -> None:
            self._meters[integration_id].count(call.function, call.code, call.items)

        if isinstance(lms, MoodleSite):
            return MoodleGateway(client, lms.settings.url, Secret(TOKEN), on_call=count)
        return TalentGateway(
            client,
            wanted.url,
            Secret(API_KEY),
            on_call=count,
            budget=self.purses[integration_id].pay,
            zone=wanted.zone(),
            key_field=wanted.people.key_field,
            at_once=wanted.calls.concurrent,
        )

    def _portal(self, integration_id: int) -> UnitGateway:
        gateway = self._gateways[integration_id]
        assert isinstance(gateway, UnitGateway)
        return gateway

    def open_site(self, integration: Integration) -> Site:
        found = integration.integration_id
        return Site(integration, self._gateways[found], self._meters[found], self._password, self.purses.get(found))

    def sealed_with_another_key(self, _: Integration) -> Site:
        raise HoldIntegration("key_mismatch", "the token was sealed with another MATRICULA_KEY")

    # Use cases

    def receive(self, *events: Event | bytes) -> None:
        store_events(self.pool, *events)

    def apply(self) -> int:
        return apply_events(self.pool, TENANT, self.woken.append)

    def tell(self, *events: Event | bytes) -> None:
        self.receive(*events)
        self.apply()

    def provision(self, integration_id: int | None = None) -> None:
        provision(integration_id or self.integration_id, pool=self.pool, open_site=self.open_site, rules=self.rules)

    def done(self, *events: Event | bytes) -> None:
        """
        Tell, and have everything that is due done.
        """
        self.tell(*events)
        self.provision()

    def poll(self, *, rules: WorkRules | None = None, open_site: Callable[[Integration], Site] | None = None) -> None:
        """
        Poll as often as the cursor is due now; one pass, whatever its interval is.
        """
        self.run("update poll_cursor set due_at = least(due_at, now())")
        opened = open_site or self.open_site
        poll_results(self.integration_id, pool=self.pool, open_site=opened, rules=rules or self.rules)

    def read_catalogue(self) -> None:
        maintain_catalogue(pool=self.pool, open_site=self.open_site, rules=self.rules)

    def maintain(self) -> None:
        """
        All that housekeeping does for runs and courses.
        """
        maintain_syncs(self.pool)
        self.read_catalogue()
        self.scan()

    def scan(self, *, rules: WorkRules | None = None) -> None:
        """
        Read on for the runs under way, as far as they come.
        """
        scan(pool=self.pool, open_site=self.open_site, rules=rules or self.rules)

    def look_again(self) -> None:
        """
        Read on for the runs under way, and do what is due then.
        """
        self.scan()
        self.provision()

    def pass_time(self, **span: float) -> None:
        self.run(PASS_TIME, d=timedelta(**span))

    # Configuration

    def integration(self, name: str | None = None) -> configuration.IntegrationRow:
        """
        The integration of this name; the first one without.
        """
        with transaction(self.pool) as db:
            rows = configuration.integrations(db, TENANT, name)
        return rows[0] if name else next(row for row in rows if row.integration_id == self.integration_id)

    def set_state(self, state: Any, name: str | None = None) -> None:
        row = self.integration(name)
        with transaction(self.pool) as db:
            configuration.set_state(db, row, state)

    def choose(self, **chosen: Any) -> None:
        """
        Change the first integration's settings, and have everybody looked at again.
        """
        row = self.integration()
        wanted = IntegrationSettings.model_validate(row.settings | chosen)
        with transaction(self.pool) as db:
            configuration.change_settings(db, row, wanted)
        self.apply()

    # What became of it

    def rows(self, statement: str, **values: Any) -> list[Row]:
        with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), values).fetchall()

    def run(self, statements: str, **values: Any) -> None:
        with self.pool.connection() as connection:
            for statement in statements.split(";"):
                connection.execute(statement.encode(), values)

    def column(self, statement: str, **values: Any) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows(statement, **values)]

    def account(self, key: str = "E-1") -> Row:
        return self._one("account", "employee_key", key)

    def placement(self, key: str = "EN-1") -> Row:
        return self._one("placement", "enrolment_key", key)

    def _one(self, table: str, column: str, key: str) -> Row:
        found = self.rows(
            f"select * from {table} where {column} = %(key)s and integration_id = %(id)s",  # noqa: S608 - ours
            key=key,
            id=self.integration_id,
        )
        assert len(found) == 1, f"{len(found)} rows of {table} for {key}"
        return found[0]

    def inbox(self) -> list[tuple[str, str | None]]:
        """
        (state, code) of each stored event, in order.
        """
        return [(r["state"], r["code"]) for r in self.rows("select state, code from inbox order by inbox_id")]

    def failures(self) -> list[tuple[str, str]]:
        """
        (kind of subject, code) of each open failure, in order.
        """
        rows = self.rows("select subject_kind, code from failure where resolved_at is null order by failure_id")
        return [(row["subject_kind"], row["code"]) for row in rows]

    def announced(self, event_type: str) -> list[Row]:
        """
        The data of each outbound event of this type.
        """
        rows = self.rows("select body from outbox where type = %(type)s order by outbox_id", type=event_type)
        return [json.loads(bytes(row["body"]))["data"] for row in rows]

    def results(self) -> list[Row]:
        return self.rows("select * from result order by enrolment_key")


def everything_stored(pool: Pool) -> str:
    """
    Every row of every table as text, bytes as the characters they may stand for.
    """
    with pool.connection() as connection:
        names = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        tables = [sql.SQL("select * from {}").format(sql.Identifier(name)) for (name,) in names]
        values = [value for table in tables for row in connection.execute(table) for value in row]
    return "\n".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values)
