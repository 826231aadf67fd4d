"""
The ingest and worker processes: `python -m workers.boot ingest` and `python -m workers.boot worker [QUEUE …]`.

This module alone knows the concrete classes.
"""

import hashlib
import os
import random
import signal
import sys
import threading
from collections.abc import Callable

import dramatiq

from db.accounts import Integration
from db.failure_groups import count_groups
from db.heartbeats import told
from db.pool import Pool, open_pool, transaction
from db.vault import unknown_keys, unsealed
from domain.errors import StoreUnavailable
from domain.lms import Allowance, UnitGateway
from domain.recovery import RecoveryPolicy
from lms.opening import Gateways, Probe
from lms.selfcheck import Subject
from lms.transport import build_client
from lms.webhooks import Webhooks
from producers.wakeups import WakeUps, wakeup_broker
from runtime.liveness import THREADS, beat
from runtime.logs import configure_logs
from runtime.secrets import MasterKeys, Secret
from runtime.settings import BadSettings, Settings, read_settings
from runtime.topology import WAKE_UP_QUEUES
from workers import ingest
from workers.actors import Budget, UseCases, register
from workers.apply import apply_events
from workers.catalogue import maintain_catalogue
from workers.checkup import Asked, check_up
from workers.middleware import LogContext, UnderWay
from workers.noticing import Sender
from workers.poll import poll_results
from workers.provision import provision
from workers.purse import Purse
from workers.replaying import advance_replays
from workers.scan import scan
from workers.site import CallMeter, Site, WorkRules
from workers.syncing import maintain_syncs

WAKE_UP_BUDGET_S = 20.0
BEAT_EVERY_S = 5.0


class Sites:
    """Opens each integration once per version of its settings and token."""

    def __init__(self, gateways: Gateways, keys: MasterKeys, pool: Pool) -> None:
        self._gateways = gateways
        self._keys = keys
        self._pool = pool
        self._open: dict[int, tuple[tuple[int, str], Site]] = {}
        self._lock = threading.Lock()

    def __call__(self, integration: Integration) -> Site:
        version = (integration.settings_version, hashlib.sha256(integration.token_sealed).hexdigest())
        with self._lock:
            known = self._open.get(integration.integration_id)
            if known is None or known[0] != version:
                known = (version, self._opened(integration))
                self._open[integration.integration_id] = known
        return known[1]

    def subject(self, integration: Integration, asked: Asked) -> Subject[Probe]:
        """The integration as the self-check looks at it; nothing is called yet."""
        password = self._password(integration)
        return Subject(
            integration.url,
            integration.settings,
            lambda: self._gateways.probe(
                integration.settings,
                unsealed(integration, "token", integration.token_sealed, self._keys),
                lambda call: asked.meter.count(call.function, call.code, call.items, call.took),
            ),
            asked.known,
            asked.pinned,
            password.reveal() if password else None,
        )

    def _opened(self, integration: Integration) -> Site:
        meter = CallMeter()
        token = unsealed(integration, "token", integration.token_sealed, self._keys)

        def ask() -> Allowance:
            assert isinstance(gateway, UnitGateway)  # noqa: S101 - nobody else asks to be paid
            return gateway.allowance()

        purse = Purse(self._pool, integration.integration_id, integration.settings.calls, ask)
        gateway = self._gateways.open(
            integration.settings,
            token,
            lambda call: meter.count(call.function, call.code, call.items, call.took),
            purse.pay,
        )
        counted = isinstance(gateway, UnitGateway)
        return Site(integration, gateway, meter, self._password(integration), purse if counted else None)

    def _password(self, integration: Integration) -> Secret | None:
        sealed = integration.password_sealed
        preset = sealed is not None and integration.settings.people.password == "preset"  # noqa: S105
        return unsealed(integration, "password", sealed, self._keys) if preset and sealed else None


def use_cases(settings: Settings, pool: Pool, wakeups: WakeUps, stop: threading.Event) -> UseCases:
    """Every use case with its parts bound."""
    gateways = Gateways(allow_private=settings.allow_private_lms, deadline=settings.timing.lms_deadline)
    sites = Sites(gateways, settings.master_keys, pool)

    policy = RecoveryPolicy(base=settings.timing.outage_base, settle_doubt=settings.timing.settle_doubt)
    webhooks = Webhooks(build_client(allow_private=settings.allow_private_lms))
    sender = Sender(settings, webhooks, policy, random.SystemRandom().random)

    def spent() -> Callable[[], bool]:
        return Budget(stop, WAKE_UP_BUDGET_S).spent

    def rules(*, urgent_only: bool = False) -> WorkRules:
        dice = random.SystemRandom().random
        return WorkRules(settings.timing, policy, dice, spent(), urgent_only=urgent_only)

    def apply(tenant: str, urgent_only: bool) -> None:
        apply_events(pool, tenant, wakeups.provision, urgent_only=urgent_only, stopping=spent())

    def provide(integration_id: int, urgent_only: bool) -> None:
        provision(integration_id, pool=pool, open_site=sites, rules=rules(urgent_only=urgent_only))

    def maintain() -> None:
        advance_replays(pool)
        with transaction(pool) as db:
            count_groups(db)
        maintain_syncs(pool)
        maintain_catalogue(pool=pool, open_site=sites, rules=rules())
        scan(pool=pool, open_site=sites, rules=rules())
        check_up(pool=pool, subject=sites.subject, rules=rules(), allow_private=settings.allow_private_lms)
        sender.send_due(pool)

    return UseCases(
        apply=apply,
        provision=provide,
        poll=lambda integration_id: poll_results(integration_id, pool=pool, open_site=sites, rules=rules()),
        maintain=maintain,
    )


def run_worker(settings: Settings, queues: list[str], stop: threading.Event) -> None:
    """Work on wake-ups of these queues until stopped, then finish what is under way."""
    under_way = UnderWay()
    broker = wakeup_broker(settings.amqp_url, middleware=[LogContext(), under_way])
    with open_pool(settings.database_url, name="worker", role="worker", max_size=settings.worker_threads + 2) as pool:
        _refuse_wrong_key(settings, pool)
        cases = use_cases(settings, pool, WakeUps(broker), stop)
        register(broker, cases, threads=settings.worker_threads)
        worker = dramatiq.Worker(broker, queues=set(queues), worker_threads=settings.worker_threads)
        worker.start()
        with told(pool):
            while not stop.is_set():
                if not under_way.stuck() and all(thread.is_alive() for thread in worker.workers):
                    beat(THREADS)
                stop.wait(BEAT_EVERY_S)
        worker.stop(timeout=int(settings.timing.lms_deadline.total_seconds() * 1000))
        broker.close()


def _refuse_wrong_key(settings: Settings, pool: Pool) -> None:
    """A worker that cannot open what is sealed here would hold every integration; it does not start instead (E5)."""
    try:
        with transaction(pool) as db:
            missing = unknown_keys(db, settings.master_keys.names)
    except StoreUnavailable:
        return  # every integration is looked at again before its first call
    if missing:
        raise BadSettings(
            [f"MATRICULA_KEY lacks the key {name}, which protects tokens stored here: add it again" for name in missing]
        )


def run_ingest(settings: Settings, stop: threading.Event) -> None:
    """Store what arrives until stopped."""
    wakeups = WakeUps(wakeup_broker(settings.amqp_url))
    with open_pool(settings.database_url, name="ingest", role="ingest", max_size=2) as pool, told(pool):
        ingest.run(settings.amqp_url, pool, wakeups.apply, stop)


def main(arguments: list[str]) -> int:
    """Run one process until SIGTERM or SIGINT."""
    kind, *queues = arguments or [""]
    unknown = set(queues) - WAKE_UP_QUEUES.keys()
    if kind not in ("ingest", "worker") or unknown:
        sys.stderr.write(f"usage: python -m workers.boot ingest | worker [{' '.join(WAKE_UP_QUEUES)}]\n")
        return 2
    configure_logs(kind)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_settings(os.environ)
        if kind == "ingest":
            run_ingest(settings, stop)
        else:
            run_worker(settings, queues or list(WAKE_UP_QUEUES), stop)
    except BadSettings as problems:
        sys.stderr.write(f"{problems}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
