"""How many items reach an LMS whose calls take some of them at a time and fail as a whole. Knows no HTTP."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any, Generic, TypeVar

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from domain.lms import Done, Failed, Outcome

Item = TypeVar("Item")
Result = TypeVar("Result")
Fields = dict[str, str]
Spread = Callable[..., Iterable[Any]]

MAX_ITEMS = 100
# PHP drops the fields beyond its limit without a sign, and a thousand is its usual limit (contract, section 1.4).
MAX_FIELDS = 900
FIXED_FIELDS = 3
STRANGE_ANSWERS = frozenset({"lms_unexpected_answer", "lms_server_error"})
STRANGE_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Kind(Generic[Item, Result]):
    """
    One batch function.

    Attributes:
        fields: The form fields of one item; how many there are decides how many items fit into a call.
        problem: Why an item must not be sent, or None.
        send: Sends a chunk in one call; raises what failed the call as a whole.
        key: No two items of a key share a call.
        order: What the items are sorted by.
        rolls_back: A call that fails for a reason we do not know has certainly done nothing.
    """

    fields: Callable[[Item], Fields]
    problem: Callable[[Item], NeedsAttention | None]
    send: Callable[[Sequence[Item]], list[Outcome[Result]]]
    key: Callable[[Item], Hashable]
    order: Callable[[Item], Any] = lambda _item: 0
    rolls_back: bool = False


def deliver(kind: Kind[Item, Result], items: Sequence[Item]) -> list[Outcome[Result]]:
    """
    Every item's outcome, in the order given.

    A call that is refused because of a record is split in halves until that record stands alone: at most 2n - 1 calls
    for n items. After a call that shows that the site refuses, is away or did not answer, nothing more is sent.
    """
    problems = [kind.problem(item) for item in items]
    outcomes: dict[int, Outcome[Result]] = {place: Failed(found) for place, found in enumerate(problems) if found}
    waiting = [place for place in range(len(items)) if place not in outcomes]
    waiting.sort(key=lambda place: kind.order(items[place]))
    delivery = _Delivery(kind)
    for chunk in chunks(kind, [items[place] for place in waiting]):
        sent, waiting = waiting[: len(chunk)], waiting[len(chunk) :]
        outcomes.update(zip(sent, delivery.run(chunk), strict=True))
    return [outcomes[place] for place in range(len(items))]


def chunks(kind: Kind[Item, Result], items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items in their order, cut so that each chunk fits into one call and holds no key twice."""
    chunk: list[Item] = []
    keys: set[Hashable] = set()
    size = FIXED_FIELDS
    for item in items:
        cost, key = len(kind.fields(item)), kind.key(item)
        if chunk and (len(chunk) == MAX_ITEMS or size + cost > MAX_FIELDS or key in keys):
            yield chunk
            chunk, keys, size = [], set(), FIXED_FIELDS
        chunk.append(item)
        keys.add(key)
        size += cost
    if chunk:
        yield chunk


def one_by_one(
    items: Sequence[Item],
    ask: Callable[[Item], Result],
    *,
    key: Callable[[Item], Hashable] | None = None,
    spread: Spread = map,
) -> list[Outcome[Result]]:
    """
    Asks for each item in a call of its own.

    Ends when the site refuses or is away. A single strange answer does not end it, so that one broken page does not
    hide all others behind it (G13); a few in a row do.

    Args:
        key: Items of one key are asked for one after the other, in the order given.
        spread: `map`, or the one of a pool, which has calls of several keys under way at a time.
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        places[place if key is None else key(item)].append(place)
    asking = _Asking(ask)

    def run(some: Sequence[int]) -> list[tuple[int, Outcome[Result]]]:
        return [(place, asking(items[place])) for place in some]

    outcomes = dict(chain.from_iterable(spread(run, places.values())))
    return [outcomes[place] for place in range(len(items))]


def stops(failure: ProvisioningError) -> bool:
    """Whether the failure concerns the site and not the records sent."""
    return isinstance(failure, (HoldIntegration, LmsUnavailable, LmsThrottled, UnknownOutcome))


class _Delivery(Generic[Item, Result]):
    """Sends chunks until something stops it."""

    def __init__(self, kind: Kind[Item, Result]) -> None:
        self._kind = kind
        self._stop: ProvisioningError | None = None

    def run(self, items: Sequence[Item], in_doubt: bool = False) -> list[Outcome[Result]]:
        """`in_doubt`: an earlier call with these items failed, and may have done something all the same."""
        if self._stop is not None:
            return [Failed(self._stop)] * len(items)
        try:
            return self._noticed(self._kind.send(items))
        except ProvisioningError as failure:
            return self._handled(items, failure.with_traceback(None), in_doubt)

    def _noticed(self, outcomes: list[Outcome[Result]]) -> list[Outcome[Result]]:
        failures = [outcome.failure for outcome in outcomes if isinstance(outcome, Failed)]
        self._stop = next((_not_sent(failure) for failure in failures if stops(failure)), None)
        return outcomes

    def _handled(self, items: Sequence[Item], failure: ProvisioningError, in_doubt: bool) -> list[Outcome[Result]]:
        if stops(failure):
            self._stop = _not_sent(failure)
            return [Failed(failure)] * len(items)
        in_doubt = in_doubt or (isinstance(failure, TransientFailure) and not self._kind.rolls_back)
        if len(items) > 1:
            half = len(items) // 2
            return self.run(items[:half], in_doubt) + self.run(items[half:], in_doubt)
        # Refused after a conflict may mean that it is there by now: not the record's fault until somebody has looked.
        return [Failed(UnknownOutcome(failure.code, failure.detail) if in_doubt else failure)]


class _Asking(Generic[Item, Result]):
    """Asks until something stops it; threads may share it."""

    def __init__(self, ask: Callable[[Item], Result]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._stop: ProvisioningError | None = None
        self._strange = 0

    def __call__(self, item: Item) -> Outcome[Result]:
        if self._stop is not None:
            return Failed(self._stop)
        outcome = _asked(self._ask, item)
        with self._lock:
            self._notice(outcome.failure if isinstance(outcome, Failed) else None)
        return outcome

    def _notice(self, failure: ProvisioningError | None) -> None:
        self._strange = self._strange + 1 if failure is not None and failure.code in STRANGE_ANSWERS else 0
        if failure is not None and stops(failure) and self._strange in (0, STRANGE_IN_A_ROW):
            self._stop = _not_sent(failure)


def _not_sent(failure: ProvisioningError) -> ProvisioningError:
    """What the items get that were not sent because of this failure: nothing of them took effect."""
    if isinstance(failure, UnknownOutcome):
        return LmsUnavailable(failure.code, failure.detail, failure.retry_after)
    return failure


def _asked(ask: Callable[[Item], Result], item: Item) -> Outcome[Result]:
    try:
        return Done(ask(item))
    except ProvisioningError as failure:
        return Failed(failure.with_traceback(None))
