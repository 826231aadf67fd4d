"""People as operators look for them and look at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.configuration import tenants
from db.links import LinkRow, links
from db.people import PeopleViews, PersonLine, Subject
from db.pool import Pool, transaction
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited

READ = "people:person:read"
PII = "people:pii:read"


@dataclass(frozen=True, slots=True)
class Mark:
    """One exact mark that people are found by; everybody's without any."""

    key: str | None = None
    email_sha256: str | None = None
    lms_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One person that matches."""

    tenant: str
    employee_key: str


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One person: what HR says, and who they are in each LMS."""

    person: PersonLine
    links: Sequence[LinkRow]


def search(pool: Pool, tenant: str | None, mark: Mark, *, after: str = "", most: int) -> list[Found]:
    """
    People by one exact mark, by their keys; never by name.

    Raises:
        Refused: More than one mark was given, or one that is none.
    """
    if sum(given is not None for given in (mark.key, mark.email_sha256, mark.lms_user_id)) > 1:
        raise Refused("give one of key, hash of an address, and LMS user")
    with transaction(pool) as db:
        among = [tenant] if tenant else tenants(db)
        return [Found(one, key) for one in among for key in _matching(PeopleViews(db), one, mark, after, most)][:most]


def _matching(views: PeopleViews, tenant: str, mark: Mark, after: str, most: int) -> list[str]:
    if mark.key is not None:
        return views.by_key(tenant, mark.key)
    if mark.email_sha256 is not None:
        return views.by_address(tenant, _hash(mark.email_sha256), most)
    if mark.lms_user_id is not None:
        return views.by_lms_user(tenant, mark.lms_user_id, most)
    return views.after(tenant, after, most)


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Refused("that is no SHA-256 in hex") from None


def subject_of(views: PeopleViews, key: str, tenant: str | None) -> Subject:
    """
    A person goes before an enrolment of the same key.

    Raises:
        NotFound: Nobody, or more than one client company, knows the key.
    """
    found = views.whose(key, tenant)
    if not found:
        raise NotFound(f"HR has told of no person and no enrolment with the key {key}")
    if len({subject.tenant for subject in found}) > 1:
        raise NotFound(f"several client companies know the key {key}; add --tenant")
    return found[0]


def person_page(pool: Pool, tenant: str | None, employee_key: str, *, unmasked: bool, by: Operator) -> PersonPage:
    """
    One person; names and addresses only unmasked, and who unmasked them is on record (S16, S19).

    Raises:
        NotFound: HR has told of no such person.
        Forbidden: They are to be unmasked for somebody who may not see them.
    """
    if unmasked:
        by.check(PII, tenant or by.tenant)
    with transaction(pool) as db:
        views = PeopleViews(db)
        tenant = subject_of(views, employee_key, tenant).tenant
        person = views.person_line(tenant, employee_key)
        if person is None:
            raise NotFound(f"HR has told of no person with the key {employee_key}")
        found = links(db, tenant=tenant, employee_key=employee_key, linked=True)
        if unmasked:
            audited(db, by, PII, f"person/{employee_key}", tenant=tenant)
    return PersonPage(person if unmasked else person.masked(), found)
