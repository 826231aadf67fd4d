"""Notices posted to an address of the client's, signed so that the receiver knows whose they are."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

import httpx

from domain.errors import HoldIntegration
from runtime.secrets import Secret


class NotPosted(Exception):
    """The receiver did not take it; the text says why, without the address. `hopeless`: nor will it later."""

    def __init__(self, problem: str, *, hopeless: bool = False) -> None:
        super().__init__(problem)
        self.hopeless = hopeless


@dataclass(frozen=True, slots=True)
class Post:
    """
    One notice to be posted.

    Attributes:
        id: The same whenever it is sent again, so that the receiver can leave out what it has.
    """

    url: str
    id: str
    body: bytes


def signature(secret: Secret, post_id: str, at: datetime, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, as standardwebhooks.com has it."""
    signed = f"{post_id}.{int(at.timestamp())}.".encode() + body
    digest = hmac.new(secret.reveal().encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Webhooks:
    """Posts notices; the client checks every address, and follows no redirect."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, post: Post, secret: Secret, at: datetime) -> None:
        """
        The receiver has taken it.

        Raises:
            NotPosted: It answered with anything but a success, or not at all.
        """
        headers = {
            "Content-Type": "application/json",
            "webhook-id": post.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature(secret, post.id, at, post.body),
        }
        try:
            answer = self._client.post(post.url, content=post.body, headers=headers)
        except HoldIntegration as error:
            raise NotPosted(f"the address may not be called: {error.detail}", hopeless=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotPosted(f"the receiver did not answer ({type(error).__name__})") from None
        if not answer.is_success:
            raise NotPosted(f"the receiver answered HTTP {answer.status_code}", hopeless=answer.status_code == 410)
