"""Which URLs an integration may have (S7)."""

import pytest

from domain.errors import NeedsAttention
from lms.addresses import check_url, is_public, resolve

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]


def refused(url: str, allow_private: bool = False, addresses: list[str] | None = None) -> str:
    answer = PUBLIC if addresses is None else addresses
    with pytest.raises(NeedsAttention) as caught:
        check_url(url, allow_private, lambda _host, _port: answer)
    assert caught.value.detail
    return caught.value.code


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://academy.example.org", "https://academy.example.org"),
        (" https://academy.example.org/ ", "https://academy.example.org"),
        ("HTTPS://Academy.Example.ORG/learn/", "https://academy.example.org/learn"),
        ("https://academy.example.org:443", "https://academy.example.org"),
        ("https://academy.example.org:8443/x", "https://academy.example.org:8443/x"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_public_https_url_is_taken_in_one_spelling(url: str, normal: str) -> None:
    assert check_url(url, False, lambda _host, _port: PUBLIC) == normal


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://academy.example.org", "url_not_https"),
        ("ftp://academy.example.org", "url_not_https"),
        ("gopher://academy.example.org", "url_not_https"),
        ("javascript:alert(1)", "url_malformed"),
        ("file:///etc/passwd", "url_malformed"),
        ("academy.example.org", "url_malformed"),
        ("", "url_malformed"),
        ("https://", "url_malformed"),
        ("https://user@academy.example.org", "url_malformed"),
        ("https://user:secret@academy.example.org", "url_malformed"),
        ("https://academy.example.org@10.0.0.1", "url_malformed"),
        ("https://academy.example.org\\@10.0.0.1", "url_malformed"),
        ("https://academy.example.org/a b", "url_malformed"),
        ("https://academy.example.org/\r\nHost: x", "url_malformed"),
        ("https://academy.example.org/?x=1", "url_malformed"),
        ("https://academy.example.org/#x", "url_malformed"),
        ("https://academy.example.org:22", "url_malformed"),
        ("https://academy.example.org:99999", "url_malformed"),
        ("https://[::1", "url_malformed"),
        ("https://[fe80::1%25eth0]", "url_malformed"),
        ("https://" + "a" * 300 + ".example", "url_malformed"),
    ],
)
def test_what_is_not_a_plain_https_url_is_refused(url: str, code: str) -> None:
    assert refused(url) == code


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost",
        "https://localhost.",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://0177.0.0.1",
        "https://0x7f.0.0.1",
        "https://0x7f000001",
        "https://0",
        "https://0.0.0.0",
        "https://10.0.0.5",
        "https://172.16.3.4",
        "https://192.168.1.1",
        "https://169.254.169.254",
        "https://100.64.0.1",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://[::]",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:a00:1]",
        "https://[::127.0.0.1]",
        "https://[64:ff9b::a00:1]",
        "https://[2002:7f00:1::]",
        "https://[fe80::1]",
        "https://[fc00::1]",
        "https://[fd00:ec2::254]",
        "https://[ff02::1]",
        "https://①②⑦.⓪.⓪.①",
    ],
)
def test_every_spelling_of_a_private_address_is_refused(url: str) -> None:
    """With the system's own resolver, which reads octal, hexadecimal and short forms."""
    with pytest.raises(NeedsAttention) as caught:
        check_url(url, False)
    assert caught.value.code in ("url_private", "url_unresolvable", "url_malformed")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "240.0.0.1",
        "239.1.1.1",
        "::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "2001:db8::1",
        "ff0e::1",
        "2001::1",
        "::8.8.8.8",
    ],
)
def test_an_address_outside_the_open_internet_is_not_public(address: str) -> None:
    assert not is_public(address)
    assert refused("https://academy.example.org", addresses=["93.184.216.34", address]) == "url_private"


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450::1"])
def test_an_internet_address_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_without_an_address_is_refused() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(NeedsAttention, match="url_unresolvable"):
        check_url("https://academy.example.org", False, unknown)
    assert refused("https://academy.example.org", addresses=[]) == "url_unresolvable"


def test_an_installation_may_allow_its_own_network_and_plain_http() -> None:
    assert check_url("http://127.0.0.1:8081/", True) == "http://127.0.0.1:8081"
    assert refused("ftp://127.0.0.1", allow_private=True) == "url_not_https"
    assert refused("http://user@127.0.0.1", allow_private=True) == "url_malformed"


def test_the_system_resolver_names_each_address_once() -> None:
    found = resolve("localhost", 443)
    assert len(found) == len(set(found))
    assert set(found) <= {"127.0.0.1", "::1"}
