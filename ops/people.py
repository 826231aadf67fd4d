"""People as operators look for them and look at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.links import LinkRow, links
from db.people import PeopleViews, PersonLine, Subject
from db.pool import Pool, transaction
from ops.actions import NotFound
from ops.operators import Operator, audited

PII = "people:pii:read"


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One person: what HR says, and who they are in each LMS."""

    person: PersonLine
    links: Sequence[LinkRow]


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


def person_page(pool: Pool, tenant: str, employee_key: str, *, unmasked: bool, by: Operator) -> PersonPage:
    """
    One person; names and addresses only unmasked, and who unmasked them is on record (S16, S19).

    Raises:
        NotFound: HR has told of no such person.
        Forbidden: They are to be unmasked for somebody who may not see them.
    """
    if unmasked:
        by.check(PII, tenant)
    with transaction(pool) as db:
        person = PeopleViews(db).person_line(tenant, employee_key)
        if person is None:
            raise NotFound(f"HR has told of no person with the key {employee_key}")
        found = links(db, tenant=tenant, employee_key=employee_key, linked=True)
        if unmasked:
            audited(db, by, PII, f"person/{employee_key}", tenant=tenant)
    return PersonPage(person if unmasked else person.masked(), found)
