"""
Failures tried again together: how fast, in which steps, when it stops by itself, and what was confirmed.

Pure: the record is read elsewhere.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.fingerprints import FailureKind

Mode = Literal["resume", "re-evaluate"]
"""resume: the step that failed is taken again. re-evaluate: what HR says is looked at anew, by today's settings."""

ReplayState = Literal["unapproved", "running", "paused", "stopped", "cancelled", "done"]

Effect = Literal["create", "link", "update", "enrol", "join", "apply", "nothing", "superseded", "blocked", "unknown"]
"""
What trying one failure again comes to. apply: a stored event becomes a fact. blocked: it fails as before. unknown:
nobody looked, or nobody can know beforehand.
"""

REPLAYABLE: tuple[FailureKind, ...] = ("inbox", "account", "placement", "membership")
"""What can be tried again, each person's in this order. Others end with the trouble that they tell of."""

_DIGEST = re.compile("([0-9]{1,9})-([0-9]{1,10})-([0-9a-f]{32})")

LADDER = (1, 10, 100)
"""So many are tried first, then so many more, and so on; the rest follows when all went well."""

DOUBLE_CLICK = timedelta(minutes=10)
"""Within this time the same confirmation means the same replay."""

PER_MINUTE: Mapping[str, float] = {"moodle": 2400.0, "talentlms": 10.0, "hr": 24_000.0}
"""
What an integration of each kind takes, in failures tried a minute, all of it used; hr stands for messages. TalentLMS
allows 2,000 calls an hour on its smaller plans, and a person takes three or so; where it has told what it allows, that
counts.
"""

CHUNK: Mapping[str, int] = {"moodle": 100, "talentlms": 10, "hr": 500}
"""So many are tried at once: a batch, where the LMS takes batches."""


class Replays(BaseModel):
    """How failures are tried again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: Annotated[
        float, Field(gt=0, le=1, description="Share of what the LMS takes that a replay may use, without a choice.")
    ] = 0.25
    approve_above: Annotated[
        int, Field(ge=0, description="A replay of more failures than this needs a second person's agreement.")
    ] = 1000
    stop_share: Annotated[
        float, Field(ge=0, le=1, description="A replay stops when a greater share than this has failed again.")
    ] = 0.2
    stop_in_a_row: Annotated[
        int, Field(ge=1, description="A replay stops when so many in a row have failed again.")
    ] = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """The ladder of one replay, and when it stops by itself; kept with it."""

    ladder: Sequence[int] = LADDER
    stop_share: float = Replays().stop_share
    stop_in_a_row: int = Replays().stop_in_a_row


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How far a replay is since it was last started.

    Attributes:
        tried: Items that were begun, ended or not.
        in_a_row: Of those that ended, the last so many failed.
    """

    waiting: int
    running: int
    tried: int
    failed: int
    in_a_row: int

    @property
    def ended(self) -> int:
        return self.tried - self.running


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is left."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Too much failed again; a person decides how it goes on."""

    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """What is under way has to end first."""


@dataclass(frozen=True, slots=True)
class Go:
    """So many more may be begun."""

    most: int


def next_step(standing: Standing, rules: Rules, chunk: int) -> Over | Stop | Wait | Go:
    """What a running replay does now."""
    why = _why_stop(standing, rules)
    if why:
        return Stop(why)
    if standing.waiting == 0:
        return Wait() if standing.running else Over()
    rung_ends = next((end for end in accumulate(rules.ladder) if end > standing.tried), None)
    if standing.running and standing.tried in set(accumulate(rules.ladder)):
        return Wait()
    room = chunk if rung_ends is None else min(chunk, rung_ends - standing.tried)
    # One chunk is at work and one is ready; more would only be further ahead of a stop.
    room = min(room, 2 * chunk - standing.running)
    return Go(room) if room > 0 else Wait()


def _why_stop(standing: Standing, rules: Rules) -> str:
    if standing.in_a_row >= rules.stop_in_a_row:
        return f"{standing.in_a_row} in a row failed again"
    # A share of very few says little while the others of the same step are still at work.
    says_much = standing.running == 0 or standing.ended >= 2 * rules.stop_in_a_row
    if standing.ended and says_much and standing.failed > rules.stop_share * standing.ended:
        return f"{standing.failed} of {standing.ended} failed again"
    return ""


def rate(lms: str, share: float, allowed: float | None = None) -> float:
    """
    Failures that are tried in a minute.

    Args:
        allowed: What the calls that the LMS allows are enough for, where it counts them.
    """
    return (allowed or PER_MINUTE[lms]) * share


def chunk_of(lms: str, per_minute: float) -> int:
    """How many are begun together: what a batch holds, and no more than the rate allows in a quarter of a minute."""
    return max(1, min(CHUNK[lms], int(per_minute / 4)))


def pause_after(begun: int, per_minute: float) -> timedelta:
    """How long no others are begun, so that the rate holds."""
    return timedelta(minutes=begun / per_minute)


def takes(members: int, per_minute: float) -> timedelta:
    """How long a replay takes at its rate; what it waits for is not counted."""
    return timedelta(seconds=round(members * 60 / per_minute) + len(LADDER))


@dataclass(frozen=True, slots=True)
class LmsWork:
    """What an LMS is asked to do, in single items."""

    look_ups: int = 0
    creates: int = 0
    updates: int = 0
    enrolments: int = 0

    def calls(self, lms: str) -> int:
        """About so many calls. Moodle takes batches, and newcomers are looked up by three marks and their user name."""
        if lms != "moodle":
            return 2 * self.look_ups + self.creates + self.updates + self.enrolments
        in_batches = (3 * self.look_ups, 2 * self.creates, self.updates, self.enrolments)
        return sum(math.ceil(items / CHUNK["moodle"]) for items in in_batches)


@dataclass(frozen=True, slots=True)
class Digest:
    """
    What a person confirms: exactly these members, as of an instant, to be tried in this way.

    It is handed out as text, so that a refusal can say what has changed since.
    """

    members: int
    at: datetime
    sum: str

    def __str__(self) -> str:
        return f"{self.members}-{int(self.at.timestamp())}-{self.sum}"

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """
        Raises:
            ValueError: This is no digest.
        """
        found = _DIGEST.fullmatch(text.strip())
        if found is None:
            raise ValueError("this is no digest of a preview")
        return cls(int(found[1]), datetime.fromtimestamp(int(found[2]), UTC), found[3])


def digest(members: Iterable[tuple[int, int]], *, mode: Mode, settings_version: int, at: datetime) -> Digest:
    """
    Args:
        members: Number of each failure, and how often it happened: one that has failed again is another matter.
        settings_version: Of the integration; what its people are re-evaluated with.
    """
    told = sorted(members)
    text = f"{mode} {settings_version} {told}"
    return Digest(len(told), at, hashlib.sha256(text.encode()).hexdigest()[:32])


def needs_approval(members: int, deactivations: int, settings: Replays) -> str:
    """Why a second person has to agree; empty when nobody has to."""
    if deactivations:
        return f"it deactivates {deactivations}"
    if members > settings.approve_above:
        return f"it is about more than {settings.approve_above}"
    return ""
