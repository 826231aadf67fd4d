"""
The self-check of a TalentLMS portal.

A key may do everything, so there are no rights to prove. A portal tells no name and no address of its own: that it is
the one that was meant shows by its own domain, and by the linked people who are there with the key we gave them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from domain.checks import Check, Identity, completed_portal, courses_line, line, site_line
from domain.errors import LmsThrottled, TransientFailure
from domain.lms import Allowance, LmsUser
from lms.addresses import Resolver
from lms.looking import ANY_FIRST_CALL, ANY_WAY, Ended, Look, Subject
from lms.talentlms_answers import SiteInfo
from lms.talentlms_fields import Fields
from lms.talentlms_probe import TalentProbe
from lms.talentlms_records import LEAST_PASSWORD, MAX_PASSWORD, is_strong

_MOST_LINKED, _MOST_COURSES = 3, 200
HOUR, SLACK = timedelta(hours=1), timedelta(minutes=2)
# Fewer are left to the work; the check itself makes about ten.
ENOUGH_CALLS = 20


class PortalLook(Look[TalentProbe]):
    """One look at a portal."""

    first_call = ANY_FIRST_CALL | {
        "wrong_url": "really TalentLMS",
        "url_moved": "really TalentLMS",
        "lms_unexpected_answer": "really TalentLMS",
        "function_missing": "really TalentLMS",
        "api_off": "API",
        "token_refused": "API key",
    }
    on_the_way = (*ANY_WAY, "really TalentLMS", "site available", "API", "API key")

    def __init__(self, subject: Subject[TalentProbe], allow_private: bool, resolver: Resolver) -> None:
        super().__init__(subject, allow_private, resolver)
        self.lines.append(_password_line(subject.password))

    def run(self) -> None:
        # The one call that costs none of the hour's.
        probe, allowance = self.reached(lambda probe: probe.allowance())
        self.lines += [_clock_line(allowance, datetime.now(UTC)), _calls_line(allowance)]
        if allowance.remaining < ENOUGH_CALLS:
            raise Ended("not looked at, to leave the hour's last calls to the work")
        counts = self.asked("site available", probe.counts)
        if counts is None:
            raise Ended("not reached")
        self._identify(probe, counts)
        self._fields(probe)
        self._courses(probe, counts)
        self._groups(probe)

    def completed(self, because: str) -> list[Check]:
        return completed_portal(self.lines, because)

    def away(self, failure: TransientFailure) -> str:
        return "calls left" if isinstance(failure, LmsThrottled) else super().away(failure)

    def _identify(self, probe: TalentProbe, counts: SiteInfo) -> None:
        self.identity = Identity(self._subject.url, counts.domain_map)
        anybody = self.asked("sees people", probe.sees_anybody)
        if anybody is not None:
            nobody = line("sees people", "failed", "the list of users is empty", "right_missing")
            self.lines.append(line("sees people", "ok") if anybody else nobody)
        linked = dict(list(self._known.linked.items())[:_MOST_LINKED])
        found = self.asked("right site", lambda: probe.find_users("user_id", list(linked))) if linked else []
        if found is None:
            return
        # One may have been deleted, or given another key by hand; all of several have not.
        if len(linked) > 1 and not _ours(linked, found):
            detail = f"none of {len(linked)} linked people is there with the key we gave them"
            self.lines.append(line("right site", "failed", detail, "other_site"))
            raise Ended("not looked at, because it is another portal")
        self.lines.append(site_line(self._subject.url, self.identity, self._subject.pinned))

    def _fields(self, probe: TalentProbe) -> None:
        fields = self.asked("mandatory fields", probe.registration)
        if fields is None:
            return
        people = self._subject.settings.people
        self.lines.append(_key_line(people.key_field, fields))
        missing = fields.missing({people.key_field, *(chosen.lms_field for chosen in people.fields)})
        if missing:
            self.lines.append(line("mandatory fields", "failed", ", ".join(missing), "mandatory_field_missing"))
        else:
            self.lines.append(line("mandatory fields", "ok"))

    def _courses(self, probe: TalentProbe, counts: SiteInfo) -> None:
        courses = self.asked("has courses", probe.courses)
        if courses is None:
            return
        some = line("has courses", "ok", f"{len(courses)} courses")
        self.lines.append(some if courses else line("has courses", "warning", "the portal has none yet", "no_courses"))
        if len(courses) == counts.total_courses:
            self.lines.append(line("whole lists", "ok"))
        else:
            detail = f"{len(courses)} courses in the list, and the portal says {counts.total_courses}"
            self.lines.append(line("whole lists", "warning", detail, "list_incomplete"))
        linked = self._known.courses[:_MOST_COURSES]
        unknown = sorted(set(linked) - {course.course_id for course in courses})
        self.lines.append(courses_line("linked courses", unknown, len(linked), "course_unknown"))

    def _groups(self, probe: TalentProbe) -> None:
        wanted = self._known.group_keys
        if not wanted:
            self.lines.append(line("groups", "not checked", "no course has a group key"))
            return
        keys = self.asked("groups", probe.group_keys)
        if keys is not None:
            self.lines.append(courses_line("groups", sorted(set(wanted) - keys), len(wanted), "group_unknown"))


def _clock_line(allowance: Allowance, now: datetime) -> Check:
    """The hour's allowance ends within the hour, as both clocks should agree (T2)."""
    if now - SLACK <= allowance.resets_at <= now + HOUR + SLACK:
        return line("clock", "ok")
    detail = f"by our clock the portal's hour ends {allowance.resets_at - now} from now"
    return line("clock", "warning", detail, "clock_differs")


def _calls_line(allowance: Allowance) -> Check:
    detail = f"{allowance.remaining} of {allowance.limit} calls are left this hour"
    if allowance.remaining < ENOUGH_CALLS:
        return line("calls left", "warning", detail, "lms_throttled")
    return line("calls left", "ok", detail)


def _ours(linked: Mapping[str, str], found: Sequence[LmsUser]) -> list[str]:
    """
    The linked people who are there, also if they were deleted and may be restored, and bear no other key than ours.

    A key that is missing says nothing: the portal may have no place for it.
    """
    return [user.user_id for user in found if user.external_key in ("", linked[user.user_id])]


def _key_line(key_field: str, fields: Fields) -> Check:
    if not key_field:
        return line("key field", "not checked", "the settings name none; people are known by e-mail and user name")
    kinds = {field.shortname: field.kind for field in fields.described("user")}
    if key_field not in kinds:
        return line("key field", "failed", f"the portal has no {key_field}", "key_field_unusable")
    if kinds[key_field] != "text":
        return line("key field", "failed", f"{key_field} is a {kinds[key_field]}", "key_field_unusable")
    return line("key field", "ok", key_field)


def _password_line(password: str | None) -> Check:
    if password is None:
        return line("preset password", "not checked", "everybody gets a random one")
    if not is_strong(password):
        detail = f"a portal wants {LEAST_PASSWORD} to {MAX_PASSWORD} characters, both cases and a digit"
        return line("preset password", "failed", detail, "password_weak")
    return line("preset password", "ok", "meets the rule that portals may enforce")
