"""User names made here, in a Moodle that is particular about them: accepted as they are, and nobody's twice."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.accounts import WantedAccount, wanted_account
from domain.errors import NeedsAttention
from domain.events import Employee
from domain.integration import People
from domain.lms import Done, NewUser
from domain.usernames import candidates
from lms.look_ups import free_usernames
from lms.moodle import MoodleGateway
from runtime.secrets import Secret
from simulators.moodle import MoodleSite, moodle_site
from tests.contract.simulator_transport import transport
from tests.unit.domain.values import employee

TOKEN = "canary-token-9b21"
UNHURRIED = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
STRATEGIES = ("email", "first_infix_last", "initials_infix_last", "initial_infix_last", "external_id")
# Names that come down to one, in two spellings or two scripts, so that people meet often.
MEETING = ("Noor", "noor", "No or", "Nóor", "No\u0301or", "O'Neil", "O’Neil", "Straße", "Strasse", "Анна", "Anna")
SCRIPTS = ("李明", "محمد", "Ελένη", "דוד", "ひろし", "김민준", "अनिल", "สมชาย", "გიორგი", "Հայկ", "Ørsted", "Łukasz")
NAMES = st.one_of(
    st.sampled_from(MEETING),
    st.sampled_from(SCRIPTS),
    st.text(st.characters(categories=["L", "M", "N", "Zs", "Pd"]), max_size=40),
    st.sampled_from(["", " ", "...", "é" * 80]),
)
INFIXES = st.sampled_from([None, "", "van der", "VAN DER", "'t", "d’", "ter"])


def somebody(first: str, infix: str | None, last: str, external: str, mail: bool) -> dict[str, Any]:
    return {
        "first_name": first,
        "initials": first[:1] and f"{first[:1]}.",
        "infix": infix,
        "last_name": last,
        "external_id": external,
        "mail": mail,
    }


PEOPLE = st.lists(st.builds(somebody, NAMES, INFIXES, NAMES, NAMES, st.booleans()), min_size=1, max_size=8)


def hired(said: Sequence[dict[str, Any]]) -> dict[int, Employee]:
    """People with numbers and addresses of their own; some have no address, and get a made-up one."""
    return {
        number: employee(
            **{name: value for name, value in one.items() if name != "mail"},
            employee_key=f"E-{number}",
            employee_number=str(number),
            emails=[f"person{number}@example.org"] if one["mail"] else [],
        )
        for number, one in enumerate(said)
    }


def wanted(people: Mapping[int, Employee], chosen: People) -> dict[int, WantedAccount]:
    """The accounts of those who can have one."""
    accounts = {}
    for number, person in people.items():
        try:
            accounts[number] = wanted_account(person, chosen)
        except NeedsAttention as problem:
            assert problem.detail  # noqa: PT017 - refused before any call, and the field is named
    return accounts


def opened(site: MoodleSite) -> MoodleGateway:
    return MoodleGateway(httpx.Client(transport=transport(site), timeout=30), site.settings.url, Secret(TOKEN))


def chosen_names(
    gateway: MoodleGateway, accounts: Mapping[int, WantedAccount], reserved: Mapping[str, int]
) -> dict[int, str]:
    """As a worker chooses them; everybody finds one."""
    names = {number: list(candidates(account.username, f"E-{number}")) for number, account in accounts.items()}
    chosen, without = free_usernames(gateway, names, reserved)
    assert without == []
    return chosen


@UNHURRIED
@given(strategy=st.sampled_from(STRATEGIES), said=PEOPLE)
@example(strategy="first_infix_last", said=[somebody("Sara", None, "Janssen", "", True)] * 3)
@example(strategy="external_id", said=[somebody("Noor", None, "Meer", "same id", False)] * 2)
def test_every_user_name_is_taken_by_moodle_as_it_is_and_is_nobody_elses(
    strategy: str, said: list[dict[str, Any]]
) -> None:
    """R63, R166, R168, R170: whatever people are called; made-up addresses are taken too."""
    site = moodle_site(courses=0, token=TOKEN)
    gateway = opened(site)
    chosen = People.model_validate({"username": strategy, "no_email": "pseudo", "pseudo_domain": "hr.example.org"})
    accounts = wanted(hired(said), chosen)

    names = chosen_names(gateway, accounts, {})
    outcomes = gateway.create_users(
        [
            NewUser(names[number], account.email, account.first_name, account.last_name, account.external_key)
            for number, account in accounts.items()
        ]
    )

    assert all(isinstance(outcome, Done) for outcome in outcomes)
    held = {user.idnumber: user.username for user in site.state.users.values() if user.idnumber}
    assert held == {f"E-{number}": names[number] for number in accounts}
    assert len(set(held.values())) == len(accounts)


@UNHURRIED
@given(strategy=st.sampled_from(STRATEGIES), said=PEOPLE, data=st.data())
def test_a_replay_ends_in_the_same_user_names(strategy: str, said: list[dict[str, Any]], data: st.DataObject) -> None:
    """R170: in any order of people, before a name is reserved and after."""
    gateway = opened(moodle_site(courses=0, token=TOKEN))
    chosen = People.model_validate({"username": strategy, "no_email": "pseudo", "pseudo_domain": "hr.example.org"})
    people = hired(said)
    accounts = wanted(people, chosen)
    first = chosen_names(gateway, accounts, {})
    order = data.draw(st.permutations(sorted(people)))

    again = wanted({number: people[number] for number in order}, chosen)

    assert again == accounts
    assert chosen_names(gateway, again, {}) == first
    assert chosen_names(gateway, again, {name: number for number, name in first.items()}) == first
