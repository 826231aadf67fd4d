"""
The shapes of Moodle's answers, as far as we read them.

Strict: a number in quotes or a null where a number belongs is not the answer we know (D16). Keys we do not name are
let through, since versions add some (contract, section 14.7).
"""

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

Number = Decimal | int
Flag = bool | int


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class FunctionName(_Answer):
    name: str


class SiteInfo(_Answer):
    siteurl: str
    sitename: str
    userid: int
    release: str = ""
    functions: list[FunctionName]


class CustomField(_Answer):
    """A profile field of a user: unset ones are absent, except checkboxes."""

    shortname: str
    type: str
    value: str
    name: str = ""


class UserRecord(_Answer):
    """Fields are absent when empty; names and addresses also when the token may not see them (section 1.3)."""

    id: int
    username: str | None = None
    email: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    idnumber: str = ""
    suspended: bool = False
    confirmed: bool = True
    customfields: list[CustomField] = []


class FoundUsers(_Answer):
    users: list[UserRecord]
    warnings: list[Any]


class CreatedUser(_Answer):
    id: int
    username: str


class Warned(_Answer):
    itemid: int
    warningcode: str


class Updated(_Answer):
    warnings: list[Warned]


class CustomFieldRecord(_Answer):
    """`value` is what people see, null where nothing was filled in."""

    shortname: str
    type: str
    valueraw: int | str | None = None
    value: str | None = None


class CourseRecord(_Answer):
    """idnumber, visible and enablecompletion are absent without the right to see them (section 1.3)."""

    id: int
    shortname: str
    fullname: str
    format: str = ""
    idnumber: str | None = None
    visible: Flag | None = None
    enablecompletion: Flag | None = None
    categoryid: int = 0
    startdate: int = 0
    customfields: list[CustomFieldRecord] = []


class CategoryRecord(_Answer):
    """`visible` is absent without the right to manage categories."""

    id: int
    name: str
    path: str = ""
    visible: Flag | None = None


class GroupRecord(_Answer):
    """`idnumber` is empty where the group has none."""

    id: int
    idnumber: str


class ListedCourse(_Answer):
    """A course as a visitor finds it, with the ways into it."""

    id: int
    enrollmentmethods: list[str]


class ListedCourses(_Answer):
    courses: list[ListedCourse]


class CourseOfUser(_Answer):
    """`completed` and `progress` are null while completion is off, and also where the token may not see them."""

    id: int
    enablecompletion: Flag
    completionhascriteria: bool | None = None
    completed: bool | None = None
    progress: Number | None = None


class Criterion(_Answer):
    type: int
    complete: bool
    timecompleted: int | None = None


class CompletionStatus(_Answer):
    completed: bool
    completions: list[Criterion]


class CompletionAnswer(_Answer):
    completionstatus: CompletionStatus


class GradeItem(_Answer):
    itemtype: str
    graderaw: Number | None = None


class UserGrades(_Answer):
    courseid: int
    userid: int
    gradeitems: list[GradeItem]


class GradesAnswer(_Answer):
    usergrades: list[UserGrades]


class RoleRecord(_Answer):
    roleid: int


class ParticipantRecord(_Answer):
    """A user of a course as far as we name the fields; an empty idnumber is absent."""

    id: int
    idnumber: str = ""
    roles: list[RoleRecord] = []


class ReportLine(_Answer):
    columns: list[Any]


class ReportData(_Answer):
    headers: list[str]
    rows: list[ReportLine]
    totalrowcount: int


class ReportAnswer(_Answer):
    data: ReportData


class UserWithFields(_Answer):
    """A user as far as the profile fields go."""

    customfields: list[CustomField] = []


class CourseField(_Answer):
    """A course's custom field; all that the token may see come with every course, unset ones too."""

    shortname: str
    type: str
    name: str = ""


class CourseWithFields(_Answer):
    """A course as far as the custom fields go."""

    customfields: list[CourseField] = []


class SignupField(_Answer):
    """A profile field on the sign-up form; the options of a menu are the lines of `param1`."""

    shortname: str
    datatype: str
    name: str = ""
    param1: str | None = None


class SignupSettings(_Answer):
    """What self-registration asks for."""

    profilefields: list[SignupField] = []


SITE_INFO = TypeAdapter(SiteInfo)
FIELDS_OF_USERS = TypeAdapter(list[UserWithFields])
FIELDS_OF_COURSES = TypeAdapter(list[CourseWithFields])
SIGNUP = TypeAdapter(SignupSettings)
USERS = TypeAdapter(list[UserRecord])
FOUND_USERS = TypeAdapter(FoundUsers)
CREATED = TypeAdapter(list[CreatedUser])
UPDATED = TypeAdapter(Updated)
NOTHING = TypeAdapter(None)
COURSES = TypeAdapter(list[CourseRecord])
CATEGORIES = TypeAdapter(list[CategoryRecord])
GROUPS = TypeAdapter(list[GroupRecord])
COURSES_OF_USER = TypeAdapter(list[CourseOfUser])
COMPLETION = TypeAdapter(CompletionAnswer)
GRADES = TypeAdapter(GradesAnswer)
PARTICIPANTS = TypeAdapter(list[ParticipantRecord])
REPORT = TypeAdapter(ReportAnswer)
LISTED_COURSES = TypeAdapter(ListedCourses)
