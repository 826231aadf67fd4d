"""Mail to people at a client, by the installation's own SMTP server."""

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from runtime.settings import Settings

PATIENCE_S = 20
_PORTS = {"smtp": 25, "smtps": 465}


class NotSent(Exception):
    """The mail did not go out; the text says why, without addresses or passwords."""


def send(settings: Settings, *, to: tuple[str, ...], subject: str, text: str, message_id: str = "") -> None:
    """
    The mail server has taken the mail for everybody named.

    With smtp:// the connection is encrypted when the server offers it, and must be when a password is sent.

    Args:
        message_id: The same for the same mail, so that one that is sent again is known as such.

    Raises:
        NotSent: The server is away, refuses, or takes it for some of them only.
    """
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, ", ".join(to), subject
    if message_id:
        message["Message-ID"] = f"<{message_id}>"
    message.set_content(text)
    try:
        with _connected(settings.smtp_url) as server:
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
        raise NotSent(f"the mail server did not take it ({type(error).__name__})") from None
    if refused:
        raise NotSent(f"the mail server refused {len(refused)} of {len(to)} addresses")


def greet(settings: Settings) -> None:
    """
    The mail server was there, and let us in if we have a password; nothing is sent.

    Raises:
        NotSent: It is not, or does not.
    """
    try:
        _connected(settings.smtp_url).close()
    except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
        raise NotSent(f"the mail server cannot be used ({type(error).__name__})") from None


def _connected(url: str) -> smtplib.SMTP:
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or _PORTS[place.scheme]
    secure = ssl.create_default_context()
    if place.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=PATIENCE_S, context=secure)
    else:
        server = smtplib.SMTP(host, port, timeout=PATIENCE_S)
    try:
        if place.scheme == "smtp":
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=secure)
            else:
                _refuse_password_in_the_open(place.username)
        if place.username:
            server.login(unquote(place.username), unquote(place.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _refuse_password_in_the_open(username: str | None) -> None:
    if username:
        raise NotSent("the mail server offers no encryption, and the password is not sent in the open")
