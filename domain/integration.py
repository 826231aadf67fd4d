"""One integration's settings: a single validated value, versioned as a whole in the database."""

import re
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_MAIL_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is not a time zone; for example Europe/Amsterdam")
    return name


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OutcomeItem(_Settings):
    """One item of HR's own result pick-list."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    label: str = ""


class People(_Settings):
    """How a person of HR becomes a user of the LMS."""

    accounts_for: Literal["everyone", "enrolled"] = "everyone"
    identity: Literal["person_id", "external_id"] = "person_id"
    match_by: tuple[Literal["external_key", "email"], ...] = ("external_key", "email")
    email_choice: Literal[1, 2, 3] = 1
    email_fallback: bool = True
    no_email: Literal["pseudo", "refuse"] = "refuse"
    pseudo_domain: str = ""
    username: Literal["email", "first_infix_last", "initials_infix_last", "initial_infix_last", "external_id"] = "email"
    password: Literal["lms", "preset"] = "lms"  # noqa: S105 - says where passwords come from

    @model_validator(mode="after")
    def _pseudo_needs_a_domain(self) -> "People":
        if self.no_email == "pseudo" and not _MAIL_DOMAIN.fullmatch(self.pseudo_domain):
            raise ValueError("pseudo_domain must name HR's mail domain when no_email is pseudo, as in hr.example.org")
        return self


class Roles(_Settings):
    """Role ids of this site; no function of Moodle lists them (contract, section 3.5)."""

    learner: str = "5"
    tutor: str = "4"


class Results(_Settings):
    """
    How completions become results.

    Attributes:
        outcomes: HR's pick-list as far as it is used here. An outcome that is not in it blocks results and loses none.
        pass_grade: Completed, but graded below this, is the fail outcome. Without it every completion is a pass.
        attempted_on: Which day is the date of attempt: the completion's own or the day of the sync (R60).
        report: Id of the custom report with all participants; recent_report: of the one limited to recent completions.
    """

    outcomes: tuple[OutcomeItem, ...] = ()
    pass_outcome: Annotated[str, Field(min_length=1)]
    fail_outcome: Annotated[str, Field(min_length=1)]
    pass_grade: Decimal | None = None
    attempted_on: Literal["completion", "sync"] = "sync"
    report: str | None = None
    recent_report: str | None = None
    every_s: Annotated[int, Field(ge=1)] = 86_400
    full_every_s: Annotated[int, Field(ge=1)] = 86_400

    @model_validator(mode="after")
    def _pass_is_not_fail(self) -> "Results":
        if self.pass_outcome == self.fail_outcome:
            raise ValueError("pass_outcome and fail_outcome must differ")
        return self

    def unmapped(self) -> tuple[str, ...]:
        """The chosen outcomes that HR's pick-list does not hold (any more)."""
        known = {item.code for item in self.outcomes}
        return tuple(code for code in (self.pass_outcome, self.fail_outcome) if code not in known)


class IntegrationSettings(_Settings):
    """Everything a client chooses for one LMS. The token is kept apart, sealed."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    lms: Literal["moodle"] = "moodle"
    url: Annotated[str, Field(min_length=1, max_length=500)]
    payrolls: Literal["all", "selected"] = "all"
    when_out_of_scope: Literal["suspend", "leave"] = "leave"
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    people: People = People()
    roles: Roles = Roles()
    results: Results

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
