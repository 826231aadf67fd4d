"""One integration's settings: a single validated value, versioned as a whole in the database."""

import re
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.fields import FieldMap, doubly_mapped
from domain.support import Support, Welcome

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_MAIL_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")


@cache  # the list of zones is read from the file system each time
def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is not a time zone; for example Europe/Amsterdam")
    return name


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OutcomeItem(_Settings):
    """One item of HR's own result pick-list."""

    code: Annotated[str, Field(min_length=1, max_length=100, description="The item's code in HR.")]
    label: Annotated[str, Field(description="The item in words; goes with every result.")] = ""


class People(_Settings):
    """How a person of HR becomes a user of the LMS."""

    accounts_for: Annotated[
        Literal["everyone", "enrolled"], Field(description="Who gets an account: everyone in scope, or the enrolled.")
    ] = "everyone"
    identity: Annotated[
        Literal["person_id", "external_id"],
        Field(description="What is written to the LMS's id number: HR's `employee_key`, or its `external_id`."),
    ] = "person_id"
    match_by: Annotated[
        tuple[Literal["external_key", "email", "username"], ...],
        Field(
            description="By which marks an LMS user that is there already may be taken for the person. Always looked at"
            " in this order: external_key (idnumber), email (without regard to case), username."
        ),
    ] = ("external_key", "email")
    protected: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...],
        Field(
            description="LMS user ids or user names that are never linked, changed or enrolled. The guest and the"
            " service account never are, listed or not."
        ),
    ] = ()
    email_choice: Annotated[Literal[1, 2, 3], Field(description="Which of HR's three addresses is used.")] = 1
    email_fallback: Annotated[
        bool, Field(description="Whether another address is used when the chosen one is empty.")
    ] = True
    no_email: Annotated[
        Literal["pseudo", "refuse"],
        Field(description="People without an address: an undeliverable one is made up, or they are refused by name."),
    ] = "refuse"
    pseudo_domain: Annotated[str, Field(description="HR's mail domain, below which addresses are made up.")] = ""
    username: Annotated[
        Literal["email", "first_infix_last", "initials_infix_last", "initial_infix_last", "external_id"],
        Field(description="What new user names are made of."),
    ] = "email"
    password: Annotated[
        Literal["lms", "preset"],
        Field(
            description="The LMS makes and mails one, or in TalentLMS a random one that people replace at the login; or"
            " `MATRICULA_PASSWORD`, which Moodle has changed at the first login."
        ),
    ] = "lms"  # noqa: S105 - says where passwords come from
    key_field: Annotated[
        str,
        Field(
            pattern="^(custom_field_[0-9]{1,9})?$",
            description="TalentLMS: the custom field that holds what Moodle has in its id number, as `custom_field_3`."
            " Without one, people are known by e-mail and user name only.",
        ),
    ] = ""
    fields: tuple[FieldMap, ...] = Field(
        default=(), description="The LMS's profile fields that are kept up to date from HR."
    )

    @model_validator(mode="after")
    def _pseudo_needs_a_domain(self) -> "People":
        if self.no_email == "pseudo" and not _MAIL_DOMAIN.fullmatch(self.pseudo_domain):
            raise ValueError("pseudo_domain must name HR's mail domain when no_email is pseudo, as in hr.example.org")
        return self

    @model_validator(mode="after")
    def _each_field_has_one_source(self) -> "People":
        twice = doubly_mapped(self.fields)
        if twice:
            raise ValueError(f"fields: {', '.join(twice)} is mapped more than once")
        return self


TALENT_ROLES = {"learner": "learner", "tutor": "instructor"}


class Roles(_Settings):
    """Roles as the LMS names them: ids of this site in Moodle, of which no function tells (contract, section 3.5)."""

    learner: Annotated[
        str, Field(description="What learners are: a role's id in Moodle; in TalentLMS `learner`, unless given.")
    ] = "5"
    tutor: Annotated[
        str, Field(description="What tutors are: a role's id in Moodle; in TalentLMS `instructor`, unless given.")
    ] = "4"


class Results(_Settings):
    """
    How completions become results.

    Attributes:
        outcomes: HR's pick-list as far as it is used here. An outcome that is not in it blocks results and loses none.
        pass_grade: Completed, but graded below this, is the fail outcome. Without it every completion is a pass.
        attempted_on: Which day is the date of attempt: the completion's own or the day of the sync (R60).
        report: Id of the custom report with all participants; recent_report: of the one limited to recent completions.
    """

    outcomes: Annotated[tuple[OutcomeItem, ...], Field(description="HR's result pick-list.")] = ()
    pass_outcome: Annotated[str, Field(min_length=1, description="Code of the item that stands for a pass.")]
    fail_outcome: Annotated[str, Field(min_length=1, description="Code of the item that stands for a fail.")]
    pass_grade: Annotated[
        Decimal | None, Field(description="A completion graded lower is a fail; without it every completion is a pass.")
    ] = None
    attempted_on: Annotated[
        Literal["completion", "sync"], Field(description="The date of attempt: the completion's day, or the sync's.")
    ] = "sync"
    report: Annotated[
        str | None, Field(description="Id of a custom report on course participants; see docs/integration.md.")
    ] = None
    recent_report: Annotated[
        str | None, Field(description="Id of such a report that is limited to completions of the last days.")
    ] = None
    every_s: Annotated[int, Field(ge=1, description="Seconds between two readings of results.")] = 86_400
    full_every_s: Annotated[
        int, Field(ge=1, description="Seconds between two readings of everything, when there is a recent report.")
    ] = 86_400

    @model_validator(mode="after")
    def _pass_is_not_fail(self) -> "Results":
        if self.pass_outcome == self.fail_outcome:
            raise ValueError("pass_outcome and fail_outcome must differ")
        return self

    def unmapped(self) -> tuple[str, ...]:
        """The chosen outcomes that HR's pick-list does not hold (any more)."""
        known = {item.code for item in self.outcomes}
        return tuple(code for code in (self.pass_outcome, self.fail_outcome) if code not in known)


class Guard(_Settings):
    """When so many people are to be suspended that a person decides first."""

    share: Annotated[
        Decimal,
        Field(ge=0, le=1, description="Suspensions that pass unasked, as a share of the payroll's linked people."),
    ] = Decimal("0.02")
    at_least: Annotated[
        int, Field(ge=0, description="So many suspensions pass unasked, however few people are linked.")
    ] = 10
    window_hours: Annotated[
        int, Field(ge=1, le=24 * 31, description="How far back suspensions are counted, per payroll.")
    ] = 24


class CourseAttribute(_Settings):
    """Where a custom field of the LMS's courses goes in HR, and what HR expects there (R38, R41)."""

    to: Annotated[
        str, Field(min_length=1, max_length=100, description="The attribute's name in `lms.course.observed.v1`.")
    ]
    kind: Annotated[
        Literal["text", "yes_no", "date", "number"],
        Field(
            description="What HR expects. A checkbox is a yes_no and a date field a date; texts and menus are texts or,"
            " where they hold one, numbers."
        ),
    ] = "text"


class Catalogue(_Settings):
    """How courses of the LMS become courses in HR."""

    categories: Annotated[
        dict[str, Annotated[str, Field(min_length=1)]],
        Field(description="Category of the LMS, by name, to the item of HR's category pick-list (R56)."),
    ] = {}
    unknown_category: Annotated[
        Literal["accept", "default", "park"],
        Field(
            description="A category that `categories` does not name: accept its name as a new item, use the default,"
            " or park the course until it is mapped (R56)."
        ),
    ] = "accept"
    default_category: Annotated[
        str, Field(description="HR's category of courses without one, and of unknown ones where that is chosen (R56).")
    ] = ""
    without_start: Annotated[
        Literal["first_seen", "none"],
        Field(description="The start of a course that has none in the LMS: the day it was first seen, or none (R59)."),
    ] = "first_seen"
    fields: Annotated[
        dict[str, CourseAttribute],
        Field(description="Custom field of the LMS's courses, by short name, to an attribute in HR (R38, R41)."),
    ] = {}

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Catalogue":
        if self.unknown_category == "default" and not self.default_category:
            raise ValueError("default_category must be given when unknown_category is default")
        if len(self.category_map()) < len(self.categories):
            raise ValueError("categories names one category twice; case and spaces around it do not count")
        targets = [attribute.to for attribute in self.fields.values()]
        if len(set(targets)) < len(targets):
            raise ValueError("fields must lead to different attributes")
        return self

    def category_map(self) -> dict[str, str]:
        """HR's category by the LMS's, without regard to case and spaces around it."""
        return {name.strip().casefold(): item for name, item in self.categories.items()}


class Sync(_Settings):
    """How often everything is compared with the LMS, besides what events ask for."""

    every_s: Annotated[
        int,
        Field(
            ge=60,
            description="Seconds between two readings of all linked people, and between two of the courses; a change"
            " counts at once, and results have an interval of their own (R80).",
        ),
    ] = 86_400


class Calls(_Settings):
    """How the calls are spent of an LMS that allows so many an hour, as TalentLMS does, whoever makes them."""

    burst: Annotated[
        int,
        Field(ge=20, le=200, description="Calls in any five seconds at most; TalentLMS turns away what exceeds 200."),
    ] = 100
    concurrent: Annotated[
        int, Field(ge=1, le=20, description="Calls of a worker process that are under way at the same time.")
    ] = 4
    for_urgent: Annotated[
        Decimal,
        Field(ge=0, lt=1, description="The share of an hour's calls that everything else leaves to people who leave."),
    ] = Decimal("0.05")
    for_provisioning: Annotated[
        Decimal,
        Field(
            ge=0,
            lt=1,
            description="The share that polls and readings of everything leave, besides, to people and enrolments that"
            " somebody waits for.",
        ),
    ] = Decimal("0.3")

    @model_validator(mode="after")
    def _leaves_something_to_all(self) -> "Calls":
        if self.for_urgent + self.for_provisioning >= 1:
            raise ValueError("for_urgent and for_provisioning together must be less than 1, or nothing is ever polled")
        return self


class IntegrationSettings(_Settings):
    """Everything a client chooses for one LMS. The token is kept apart, sealed."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=100, description="One per company; events name it in `data.integration`."),
    ]
    lms: Annotated[Literal["moodle", "talentlms"], Field(description="The kind of LMS.")] = "moodle"
    url: Annotated[
        str,
        Field(min_length=1, max_length=500, description="The site's public https address; one LMS, one integration."),
    ]
    payrolls: Annotated[
        Literal["all", "selected"],
        Field(description="Everybody, payrolls of the future too, or those enabled by `hr.payroll.enabled.v1`."),
    ] = "all"
    when_out_of_scope: Annotated[
        Literal["suspend", "leave"],
        Field(description="People whose payroll is switched off: suspend their account, or leave it alone."),
    ] = "leave"
    timezone: Annotated[
        str, AfterValidator(_known_zone), Field(description="The time zone in which days begin and end.")
    ] = "UTC"
    monthly_cost: Annotated[
        str, Field(max_length=100, description="What the link costs a month; enabling then asks to confirm it.")
    ] = ""
    people: Annotated[People, Field(description="How a person of HR becomes a user of the LMS.")] = People()
    roles: Annotated[Roles, Field(description="What learners and tutors are in the LMS.")] = Roles()
    results: Annotated[Results, Field(description="How completions become results.")]
    support: Annotated[Support, Field(description="Hosting, contacts, escalation and service level.")] = Support()
    welcome: Annotated[Welcome, Field(description="The mail at enabling.")] = Welcome()
    guard: Annotated[Guard, Field(description="When many suspensions at once wait for a person.")] = Guard()
    catalogue: Annotated[Catalogue, Field(description="How courses of the LMS become courses in HR.")] = Catalogue()
    sync: Annotated[Sync, Field(description="How often everything is compared with the LMS.")] = Sync()
    calls: Annotated[Calls, Field(description="How the calls are spent of an LMS that counts them.")] = Calls()

    @model_validator(mode="before")
    @classmethod
    def _usual_roles(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("lms") == "talentlms" and isinstance(given.get("roles", {}), dict):
            return {**given, "roles": TALENT_ROLES | given.get("roles", {})}
        return given

    @model_validator(mode="after")
    def _fits_the_lms(self) -> "IntegrationSettings":
        if self.lms == "moodle" and self.people.key_field:
            raise ValueError("people.key_field is for TalentLMS; Moodle has the id number for it")
        if self.lms == "talentlms" and {self.roles.learner, self.roles.tutor} - set(TALENT_ROLES.values()):
            raise ValueError("roles must be learner or instructor in TalentLMS")
        if self.lms == "talentlms" and (self.results.report or self.results.recent_report):
            raise ValueError("results.report and results.recent_report are for Moodle; TalentLMS is read without one")
        return self

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
