"""However an address is typed, one site has one spelling (R13)."""

import pytest

from lms.addresses import check_url


@pytest.mark.parametrize(
    "typed",
    [
        "https://academy.example/Moodle",
        "HTTPS://Academy.EXAMPLE:443/Moodle/",
        " https://academy.example./Moodle// ",
        "https://academy.example/x/../Moodle",
        "https://academy.example/%4Doodle",
    ],
)
def test_scheme_case_port_dots_and_slashes_do_not_tell_sites_apart_and_a_folder_does(typed: str) -> None:
    assert check_url(typed, allow_private=False, resolver=lambda *_: ["1.1.1.1"]) == "https://academy.example/Moodle"


def test_a_port_of_its_own_is_kept() -> None:
    spelled = check_url("https://academy.example:8443/", allow_private=False, resolver=lambda *_: ["1.1.1.1"])

    assert spelled == "https://academy.example:8443"
