"""One integration's settings: a single validated value, versioned as a whole in the database."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.advanced import ADVANCED
from domain.conditions import CONDITIONS, Condition, Due
from domain.features import Switchable
from domain.fields import FieldMap, doubly_mapped
from domain.replays import Replays
from domain.support import Notices, Support, Welcome

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_MOODLE_CONDITIONS: tuple[Condition, ...] = tuple(
    condition for condition in CONDITIONS if condition not in ("course_id_numeric", "has_email")
)
_MAIL_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_DRIFT_FIELD = (
    r"^(external_key|email|first_name|last_name|suspended|custom\.[A-Za-z0-9_-]{1,100}"
    r"|enrolment\.(dates|role|suspended))$"
)


@cache  # the list of zones is read from the file system each time
def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is not a time zone; for example Europe/Amsterdam")
    return name


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


AttemptPolicy = Literal["first", "latest", "best"]


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
    key_field: Annotated[
        str,
        Field(
            pattern="^(custom_field_[0-9]{1,9})?$",
            description="TalentLMS: the custom field that holds the id number, as `custom_field_3`. Without one there"
            " is no place for it, and people are known by their link, address and login.",
        ),
    ] = ""
    match_by: Annotated[
        tuple[Literal["lms_id", "external_key", "email", "username"], ...],
        Field(
            description="By which marks an LMS user that is there already may be taken for the person. Always looked at"
            " in this order: lms_id (what HR says in `lms_user_ids` for this integration), external_key (idnumber),"
            " email (without regard to case), username."
        ),
    ] = ("lms_id", "external_key", "email")
    update_found: Annotated[
        bool,
        Field(
            description="Whether an account that was there before us gets HR's names, address and fields. If not, only"
            " its suspension is ours."
        ),
    ] = True
    protected: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...],
        Field(
            description="LMS user ids or user names that are never linked, changed or enrolled. The guest and the"
            " service account never are, listed or not."
        ),
        ADVANCED,
    ] = ()
    email_choice: Annotated[Literal[1, 2, 3], Field(description="Which of HR's three addresses is used.")] = 1
    email_fallback: Annotated[
        bool, Field(description="Whether another address is used when the chosen one is empty."), ADVANCED
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


Lms = Literal["moodle", "talentlms"]
ROLES: Mapping[Lms, Mapping[Literal["learner", "tutor"], str]] = {
    "moodle": {"learner": "5", "tutor": "4"},
    "talentlms": {"learner": "learner", "tutor": "instructor"},
}
"""What the roles are called where nothing else is chosen."""


class Roles(_Settings):
    """Roles of this site; no function of Moodle lists their ids (contract, section 3.5)."""

    learner: Annotated[
        str, Field(description="The role that learners get; without a choice 5 in Moodle, learner in TalentLMS.")
    ] = ""
    tutor: Annotated[
        str, Field(description="The role that tutors get; without a choice 4 in Moodle, instructor in TalentLMS.")
    ] = ""


class Enrolments(_Settings):
    """When an enrolment of HR becomes one in the LMS, and what becomes of it when HR ends it."""

    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            description="Which of the nine conditions must hold before an enrolment is provisioned (R118-R127). Without"
            " a choice all nine in TalentLMS; in Moodle all but course_id_numeric and has_email."
        ),
    ] = None
    due: Annotated[
        Due,
        Field(
            description="An enrolment is provisioned on its export day or, when that day was missed, as soon as"
            " possible; or on that very day only (R124)."
        ),
    ] = "on_or_before"
    when_ended: Annotated[
        Literal["suspend", "remove", "leave"] | None,
        Field(
            description="An enrolment that is withdrawn or whose booking is cancelled: suspended, taken away, or left"
            " as it is, after a last look at its result. Moodle never takes away, because that loses grades;"
            " TalentLMS cannot suspend one enrolment. Without a choice suspend in Moodle, leave in TalentLMS."
        ),
    ] = None


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
    attempts: Annotated[
        AttemptPolicy,
        Field(
            description="Which completion counts when there are several over time: the first one recorded, the latest"
            " (rewritten when its date or outcome differs), or the best by pass and grade."
        ),
    ] = "latest"
    hand_set: Annotated[
        Literal["protect", "overwrite"],
        Field(
            description="Outcomes that HR says were set by hand: protect them and hold the completion back, or write"
            " over them once."
        ),
    ] = "protect"
    earlier_attempt: Annotated[
        Literal["hold", "accept"],
        Field(
            description="A completion from before the enrolment began (HR's `starts_on`, or else the LMS's own date):"
            " hold it back, or accept it."
        ),
    ] = "hold"
    attempted_on: Annotated[
        Literal["completion", "sync"], Field(description="The date of attempt: the completion's day, or the sync's.")
    ] = "sync"
    report: Annotated[
        str | None, Field(description="Id of a custom report on course participants; see docs/integration.md.")
    ] = None
    recent_report: Annotated[
        str | None, Field(description="Id of such a report that is limited to completions of the last days."), ADVANCED
    ] = None
    every_s: Annotated[int, Field(ge=1, description="Seconds between two readings of results.")] = 86_400
    full_every_s: Annotated[
        int,
        Field(
            ge=1,
            description="Seconds between two readings of everything, when there is a recent report; by unit, between"
            " two looks at courses that everybody has completed.",
        ),
        ADVANCED,
    ] = 86_400
    regrade_every_s: Annotated[
        int,
        Field(
            ge=60,
            description="Seconds between two questions for grades that were changed later, where results are read by"
            " unit.",
        ),
    ] = 3600

    @model_validator(mode="after")
    def _pass_is_not_fail(self) -> "Results":
        if self.pass_outcome == self.fail_outcome:
            raise ValueError("pass_outcome and fail_outcome must differ")
        return self

    def label_of(self, outcome: str) -> str:
        """The item in words; empty where the pick-list has none."""
        return next((item.label for item in self.outcomes if item.code == outcome), "")

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
        ADVANCED,
    ] = "accept"
    default_category: Annotated[
        str, Field(description="HR's category of courses without one, and of unknown ones where that is chosen (R56).")
    ] = ""
    without_start: Annotated[
        Literal["first_seen", "none"],
        Field(description="The start of a course that has none in the LMS: the day it was first seen, or none (R59)."),
        ADVANCED,
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


Policy = Literal["put_back", "accept", "tell"]
"""What follows when a field was changed at the LMS by hand."""


class Drift(_Settings):
    """What follows when the LMS holds something else than what was last written there."""

    default: Annotated[
        Policy,
        Field(
            description="A field that somebody changed at the LMS by hand: write HR's word again, accept what the LMS"
            " holds until HR says something new about that field, or only tell."
        ),
    ] = "put_back"
    fields: Annotated[
        dict[Annotated[str, Field(pattern=_DRIFT_FIELD)], Policy],
        Field(
            description="The same for single fields: external_key, email, first_name, last_name, suspended,"
            " `custom.SHORTNAME` of a mapped profile field, enrolment.dates, enrolment.role, enrolment.suspended. The"
            " LMS takes an enrolment as a whole: while one of its fields is accepted or told, so are the others told."
        ),
    ] = {}
    missing_enrolment: Annotated[
        Literal["put_back", "tell"],
        Field(description="An enrolment that somebody removed at the LMS, with its grades: enrol again, or only tell."),
    ] = "tell"
    rolling: Annotated[
        bool,
        Field(
            description="Whether everybody is read again without being asked, every `sync.every_s` seconds and within"
            " `calls_per_hour`. Otherwise only `matricula drift scan` and a sync read them."
        ),
    ] = True
    calls_per_hour: Annotated[
        int,
        Field(
            ge=2,
            description="Calls an hour that the rolling scan may spend on reading: 100 people a call, a course two.",
        ),
    ] = 300

    def policy(self, field: str) -> Policy:
        """What follows for a field of this name."""
        return self.fields.get(field, self.default)


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
    lms: Annotated[Lms, Field(description="The kind of LMS.")] = "moodle"
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
    features: Annotated[
        tuple[Switchable, ...],
        Field(
            description="What of the later phases, which are billed, is switched on; the first phase always is (R5)."
        ),
    ] = ()
    people: Annotated[People, Field(description="How a person of HR becomes a user of the LMS.")] = People()
    enrolments: Annotated[
        Enrolments, Field(description="When enrolments are provisioned, and what becomes of those that end.")
    ] = Enrolments()
    roles: Annotated[Roles, Field(description="Roles of this site; no web service lists them."), ADVANCED] = Roles()
    results: Annotated[Results, Field(description="How completions become results.")]
    support: Annotated[Support, Field(description="Hosting, contacts, escalation and service level.")] = Support()
    welcome: Annotated[Welcome, Field(description="The mail at enabling.")] = Welcome()
    guard: Annotated[Guard, Field(description="When many suspensions at once wait for a person."), ADVANCED] = Guard()
    catalogue: Annotated[Catalogue, Field(description="How courses of the LMS become courses in HR.")] = Catalogue()
    sync: Annotated[Sync, Field(description="How often everything is compared with the LMS.")] = Sync()
    drift: Annotated[Drift, Field(description="What follows when somebody changes things at the LMS.")] = Drift()
    calls: Annotated[Calls, Field(description="How the calls are spent of an LMS that counts them.")] = Calls()
    replays: Annotated[Replays, Field(description="How failures are tried again.")] = Replays()
    notices: Annotated[Notices, Field(description="Who is told when something needs a person.")] = Notices()

    @model_validator(mode="after")
    def _asks_of_the_lms_what_it_can(self) -> "IntegrationSettings":
        impossible = {"moodle": "remove", "talentlms": "suspend"}[self.lms]
        if self.enrolments.when_ended == impossible:
            raise ValueError(f"enrolments.when_ended cannot be {impossible} in {self.lms}")
        if self.lms == "moodle" and self.people.key_field:
            raise ValueError("people.key_field is for TalentLMS; Moodle keeps the id number in a place of its own")
        if self.lms == "talentlms" and {self.role("learner"), self.role("tutor")} - {"learner", "instructor"}:
            raise ValueError("roles must be learner or instructor in TalentLMS")
        if self.lms == "talentlms" and (self.results.report or self.results.recent_report):
            raise ValueError("results.report and results.recent_report are for Moodle; TalentLMS is read without one")
        return self

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def role(self, kind: Literal["learner", "tutor"]) -> str:
        """What the LMS calls this role."""
        return getattr(self.roles, kind) or ROLES[self.lms][kind]

    def conditions(self) -> tuple[Condition, ...]:
        """What must hold before an enrolment is provisioned."""
        if self.enrolments.conditions is not None:
            return self.enrolments.conditions
        return CONDITIONS if self.lms == "talentlms" else _MOODLE_CONDITIONS

    def ends_enrolments(self) -> bool:
        """Whether an enrolment that HR ends is ended in the LMS too."""
        chosen = self.enrolments.when_ended or ("leave" if self.lms == "talentlms" else "suspend")
        return chosen != "leave"

    def keyless(self) -> bool:
        """Whether the LMS has no place for the id number."""
        return self.lms == "talentlms" and not self.people.key_field

    def by_unit(self) -> bool:
        """Whether results are read unit by unit, from a `domain.lms.UnitGateway`."""
        return self.lms == "talentlms"
