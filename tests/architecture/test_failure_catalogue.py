"""The failure catalogue and the source agree: no code without words, no words without a code."""

from dataclasses import fields

import pytest

from domain.failure_catalogue import CATALOGUE, Failure, describe
from tests.architecture.failure_codes import Found, collect, read_source

OWNERS = {"HR data", "HR configuration", "LMS", "IT", "product"}


@pytest.fixture(scope="module")
def found() -> Found:
    return collect()


def test_every_code_that_the_source_raises_or_stores_is_in_the_catalogue(found: Found) -> None:
    """R77, I9."""
    assert {code: place for code, place in found.codes.items() if code not in CATALOGUE} == {}


def test_the_catalogue_holds_no_code_that_nothing_raises(found: Found) -> None:
    """R77: words for what cannot happen mislead."""
    assert CATALOGUE.keys() - found.codes.keys() == set()


def test_no_code_is_put_together_in_a_way_that_cannot_be_read(found: Found) -> None:
    """Otherwise a code could miss its entry without anybody noticing: teach failure_codes.py the new way."""
    assert found.unreadable == []


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("raise NeedsAttention('a', 'why')", {"a"}),
        ("raise errors.HoldIntegration('a')", {"a"}),
        ("raise UnknownOutcome(code='a')", {"a"}),
        ("raise LmsUnavailable('a' if tls else 'b', function)", {"a", "b"}),
        ("BadEvent('a', 'field', 'problem')", {"a"}),
        ("TABLE = {'x': (NeedsAttention, 'a'), 'y': (HoldIntegration, 'b')}", {"a", "b"}),
        ("OTHER_CODE = 'a'", {"a"}),
        ("X = 'a'\nraise NeedsAttention(X)", {"a"}),
        ("AccountState('waiting', code='a')", {"a"}),
        ("AccountState('out_of_scope', code=outside or problem.code)", set()),
        ("Settled(1, 'failed', 'a', 'detail')", {"a"}),
        ("Settled(1, 'applied')", set()),
        ("self.park(account, 'a', detail)", {"a"}),
        ("Problem('course', key, 'a', detail)", {"a"}),
        ("def hindrance(x):\n    if x:\n        return 'a'\n    return None", {"a"}),
        ("class Mine(NeedsAttention):\n    def __init__(self):\n        super().__init__('a')", {"a"}),
        ("class Mine(Taken):\n    taken_code = 'a'", {"a"}),
        ("raise ValueError('a')", set()),
    ],
)
def test_the_collector_reads_every_way_to_write_a_code(source: str, codes: set[str]) -> None:
    found = Found()

    read_source("example.py", source, found)

    assert (set(found.codes), found.unreadable) == (codes, [])


@pytest.mark.parametrize("source", ["raise NeedsAttention(make(x))", "Problem('course', key, f'{x}_y', '')"])
def test_the_collector_complains_about_what_it_cannot_read(source: str) -> None:
    found = Found()

    read_source("example.py", source, found)

    assert len(found.unreadable) == 1


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_entry_says_symptom_cause_owner_and_fix(failure: Failure) -> None:
    """R77: short, and in sentences."""
    words = {field.name: getattr(failure, field.name) for field in fields(failure)}

    assert failure.owner in OWNERS
    assert all(text.strip() == text != "" and len(text) <= 120 for text in words.values())
    assert all(words[name].endswith(".") for name in ("symptom", "cause", "fix"))
    assert not failure.title.endswith(".")


def test_titles_tell_failures_apart() -> None:
    """A title stands for its group in every list."""
    titles = [failure.title for failure in CATALOGUE.values()]

    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize(
    ("row", "code", "owner", "says"),
    [
        ("R68 token invalid: expired", "token_refused", "LMS", "expired"),
        ("R69 token invalid: another site", "token_refused", "LMS", "another site"),
        ("R70 no data: URL not public", "lms_unreachable", "IT", "not public"),
        ("R70 no data: wrong URL", "wrong_url", "HR configuration", "another site"),
        ("R71 no courses", "course_not_found", "LMS", "No course"),
        ("R72 no users: payroll", "payroll_not_selected", "HR configuration", "selected payrolls"),
        ("R72 no users: nobody in it", "payroll_empty", "HR data", "no employee"),
        ("R73 no users: no e-mail", "email_missing", "HR data", "addresses"),
        ("R73 no users: no id", "identity_missing", "HR data", "id or passport number"),
        ("R74 no results: cron", "completion_task_late", "LMS", "cron"),
        ("R75 no results: no completion settings", "completion_off", "LMS", "Completion tracking is off"),
        ("R76 criteria not defined", "no_completion_criteria", "LMS", "what makes the course complete"),
        ("R44 capability missing", "right_missing", "LMS", "capability"),
        ("R47 master switch", "webservices_off", "LMS", "master switch"),
        ("R48 IP-restricted", "access_refused", "LMS", "limited to other addresses"),
        ("R27 item unmapped", "outcome_unmapped", "HR configuration", "pick-list"),
    ],
)
def test_the_known_causes_have_their_owner(row: str, code: str, owner: str, says: str) -> None:
    """R44, R47, R48, R68-R76: each cause under a code of its own side."""
    failure = describe(code)

    assert failure.owner == owner, row
    assert says in failure.cause, row


def test_an_unknown_code_is_honest_and_ours() -> None:
    """R77: an entry for everything, also after a downgrade."""
    failure = describe("made_up")

    assert (failure.code, failure.title, failure.owner) == ("made_up", "Unknown code", "product")
