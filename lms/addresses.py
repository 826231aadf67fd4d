"""Which hosts may be spoken to: an integration's URL never leads into the installation's own network (S7)."""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence

import httpx

from domain.errors import NeedsAttention

Resolver = Callable[[str, int], Sequence[str]]

PORTS = (443, 8443)
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Python's own table knows only parts of these; the first holds a cloud's metadata service.
_ALSO_PRIVATE = [ipaddress.ip_network(name) for name in ("192.0.0.0/24", "192.88.99.0/24")]
_INTERNET_6 = ipaddress.ip_network("2000::/3")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of the host, in the system's order. Raises OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """
    Whether the address lies on the open internet.

    For IPv6 that is 2000::/3 without 6to4, so forms that carry an IPv4 address (mapped, compatible, NAT64) never pass.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and (ip not in _INTERNET_6 or ip in _SIX_TO_FOUR):
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _ALSO_PRIVATE)


def check_url(url: str, allow_private: bool, resolver: Resolver = resolve) -> str:
    """
    The base URL in one spelling, without a slash at its end; used when an integration is saved.

    Raises NeedsAttention with url_malformed, url_not_https, url_unresolvable or url_private. The transport applies
    the same rule to every connection, because what a name resolves to may change after saving.
    """
    parsed = _parsed(url)
    _check_parts(parsed, allow_private)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    try:
        addresses = resolver(parsed.host, port)
    except (OSError, UnicodeError):
        addresses = ()
    if not addresses:
        raise NeedsAttention("url_unresolvable", "no address is known for this host name; check its spelling")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise NeedsAttention("url_private", "this host lies in a private network, which is not allowed here")
    return _spelled(parsed)


def _spelled(parsed: httpx.URL) -> str:
    """One spelling for one site (R13): lower case, no default port, no dot or slash at an end, no needless codes."""
    port = None if parsed.port == _DEFAULT_PORTS.get(parsed.scheme) else parsed.port
    plain = httpx.URL(scheme=parsed.scheme, host=parsed.host.rstrip("."), port=port, path=parsed.path.rstrip("/"))
    return str(plain).rstrip("/")


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip())
        parsed.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise NeedsAttention("url_malformed", "this is not a URL; for example https://academy.example.org") from None
    if _UNFIT.search(url.strip()) or not parsed.host or "%" in parsed.host or parsed.query or parsed.fragment:
        raise NeedsAttention(
            "url_malformed", "give the address of the site only; for example https://academy.example.org"
        )
    return parsed


def _check_parts(parsed: httpx.URL, allow_private: bool) -> None:
    if parsed.userinfo:
        raise NeedsAttention("url_malformed", "the URL must not hold a user name or password")
    if parsed.scheme != "https" and not (allow_private and parsed.scheme == "http"):
        raise NeedsAttention("url_not_https", "the URL must begin with https://")
    if not allow_private and (parsed.port or 443) not in PORTS:
        raise NeedsAttention("url_malformed", "the port must be 443 or 8443")
