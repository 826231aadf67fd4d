"""User names: letters every LMS accepts, nobody without one, nobody with somebody else's."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import NeedsAttention
from domain.usernames import MAX_LENGTH, base_username, candidates, fold
from tests.unit.domain.values import employee, people

LEGAL = re.compile(r"[a-z0-9.@_-]{1,100}")
STRATEGIES = ["email", "first_infix_last", "initials_infix_last", "initial_infix_last", "external_id"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("email", "noor@example.org"),
        ("first_infix_last", "noor.vander.meer"),
        ("initials_infix_last", "nj.vander.meer"),
        ("initial_infix_last", "n.vander.meer"),
        ("external_id", "x-77"),
    ],
)
def test_each_strategy_makes_its_own_name(strategy: str, expected: str) -> None:
    """R166."""
    name = base_username(employee(external_id="X-77"), "Noor@example.org", people(username=strategy))

    assert name == expected


@pytest.mark.parametrize("strategy", ["first_infix_last", "initials_infix_last", "initial_infix_last"])
def test_without_an_infix_there_is_no_empty_part(strategy: str) -> None:
    """R166."""
    name = base_username(employee(infix=None), "", people(username=strategy))

    assert name.endswith(".meer")
    assert ".." not in name


@pytest.mark.parametrize(
    ("strategy", "said", "email", "field"),
    [
        ("email", {}, "", "emails"),
        ("external_id", {"external_id": None}, "a@example.org", "external_id"),
        ("external_id", {"external_id": "  "}, "a@example.org", "external_id"),
        ("first_infix_last", {"first_name": ""}, "", "first_name"),
        ("initial_infix_last", {"first_name": " "}, "", "first_name"),
        ("initials_infix_last", {"initials": None}, "", "initials"),
        ("first_infix_last", {"last_name": None}, "", "last_name"),
    ],
)
def test_an_empty_source_is_named(strategy: str, said: dict[str, str | None], email: str, field: str) -> None:
    """R167: a failure of HR's data, which says which field it is."""
    with pytest.raises(NeedsAttention, match=f"{field} is empty") as caught:
        base_username(employee(**said), email, people(username=strategy))

    assert caught.value.code == "username_source_missing"


FOLDED = [
    ("é", "e"),
    ("ü", "u"),
    ("ß", "ss"),
    ("ø", "o"),
    ("ł", "l"),
    ("ñ", "n"),
    ("Ç", "c"),
    ("Å", "a"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("İ", "i"),
    ("ı", "i"),
    ("ễ", "e"),
    ("O'Neil", "o'neil"),
    ("O’Neil", "o'neil"),
    ("D`Arcy", "d`arcy"),
]


@pytest.mark.parametrize(("written", "folded"), FOLDED)
def test_diacritics_fall_away(written: str, folded: str) -> None:
    """R168."""
    assert fold(written) == folded


@pytest.mark.parametrize("apostrophe", ["'", "’", "`", "´", "ʼ"])
def test_an_apostrophe_leaves_no_trace_in_a_user_name(apostrophe: str) -> None:
    """R168."""
    person = employee(first_name="Sean", infix=None, last_name=f"O{apostrophe}Neil")

    assert base_username(person, "", people(username="first_infix_last")) == "sean.oneil"


@given(st.text(max_size=20) | st.text("éüñễİÅйёが김ぱأאּ", max_size=5))
@example("が")
@example("김")
def test_composed_and_decomposed_fold_to_the_same(text: str) -> None:
    """R168: two keyboards, one person."""
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    "name", ["李明", "محمد", "Анна", "Ελένη", "דוד", "ひろし", "김민준", "अनिल", "สมชาย", "გიორგი", "Հայկ"]
)
def test_other_scripts_never_vanish(name: str) -> None:
    """R168: nobody ends up without a user name because of an alphabet."""
    person = employee(first_name=name, infix=None, last_name=name)

    first, last = base_username(person, "", people(username="first_infix_last")).split(".")

    assert first == last != ""


def test_what_leaves_no_letter_at_all_is_refused() -> None:
    """R167, R168: an honest failure instead of a user name made of dots."""
    with pytest.raises(NeedsAttention) as caught:
        base_username(
            employee(first_name="...", infix=None, last_name="\u200b"), "", people(username="first_infix_last")
        )

    assert caught.value.code == "username_source_missing"


@pytest.mark.parametrize(("first", "last"), [(" Noor ", "Meer"), ("No or", " Me  er"), ("Noor\t", "Meer\u00a0")])
def test_stray_spaces_are_removed(first: str, last: str) -> None:
    """R169."""
    person = employee(first_name=first, infix=None, last_name=last)

    assert base_username(person, "", people(username="first_infix_last")) == "noor.meer"
    assert base_username(person, "", people(username="initial_infix_last")) == "n.meer"


TEXTS = st.text(max_size=300) | st.sampled_from(["é" * 150, "李" * 120, "a", ".", "@", " x "])


@given(strategy=st.sampled_from(STRATEGIES), first=TEXTS, infix=TEXTS, last=TEXTS, external=TEXTS, email=TEXTS)
def test_whatever_hr_writes_the_name_is_legal_or_refused(
    strategy: str, first: str, infix: str, last: str, external: str, email: str
) -> None:
    """R166, R168: only these letters, at least one and at most a hundred."""
    person = employee(first_name=first, initials=first, infix=infix, last_name=last, external_id=external)

    try:
        name = base_username(person, email, people(username=strategy))
    except NeedsAttention as problem:
        assert problem.code == "username_source_missing"  # noqa: PT017 - the only allowed way out
    else:
        assert LEGAL.fullmatch(name)


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
BASES = st.text(LETTERS, min_size=1, max_size=MAX_LENGTH) | st.builds(
    lambda local, domain: f"{local}@{domain}"[:MAX_LENGTH],
    st.text(LETTERS, min_size=1, max_size=64),
    st.text(LETTERS, max_size=99),
)
KEYS = st.text(min_size=1, max_size=255)


@given(base=BASES, key=KEYS)
def test_every_candidate_is_legal_and_begins_with_the_plain_one(base: str, key: str) -> None:
    """R166, R170: also with a long mail domain or a long key."""
    names = list(candidates(base, key))

    assert names[0] == base
    assert all(LEGAL.fullmatch(name) for name in names)


@given(base=BASES, key=KEYS)
def test_candidates_follow_from_their_arguments(base: str, key: str) -> None:
    """R170: stable on replay."""
    assert list(candidates(base, key)) == list(candidates(base, key))


@given(base=BASES, keys=st.lists(KEYS, min_size=2, max_size=2, unique=True))
def test_two_people_always_have_a_name_apart(base: str, keys: list[str]) -> None:
    """R170: whatever their keys fold to, the last candidate is theirs alone."""
    one, other = (list(candidates(base, key)) for key in keys)

    assert one[-1] != other[-1]
    assert one[-1] not in other
    assert one[-1] != base


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("jan.jansen", "jan.jansen-e-1"),
        ("jan@example.org", "jan-e-1@example.org"),
        ("a" * 100, "a" * 96 + "-e-1"),
        ("jan@" + "d" * 96, "j-e-1@" + "d" * 94),
    ],
)
def test_the_first_suffix_is_the_persons_own_key(base: str, expected: str) -> None:
    """R170: the suffix says whose it is, and stands before the mail domain."""
    assert list(candidates(base, "E-1"))[1] == expected


def test_a_key_too_long_for_a_suffix_is_not_cut() -> None:
    """R170: two long keys that begin alike would otherwise meet."""
    names = list(candidates("jan", "k" * 41))

    assert len(names) == 2
    assert "kk" not in names[1]
