"""
A mail server on a loopback port that keeps what it takes.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """
    Attributes:
        taken: Every mail, in order.
        refuse: While true, mails are refused.
    """

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuse = False
        self.url = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return "554 not today"
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """
    A server that runs while the block does; `url` is what MATRICULA_SMTP_URL takes.
    """
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # the controller wants to be told one
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    box.url = f"smtp://127.0.0.1:{port}"
    try:
        yield box
    finally:
        controller.stop()
