"""Real sockets for the client: a simulated site, and servers that misbehave below HTTP."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lms.calls import CallRecord
from lms.moodle import MoodleGateway
from lms.transport import Limits, build_client
from runtime.secrets import Secret
from tests.contract.client_sites import TOKEN

PATIENCE = Limits(connect=timedelta(seconds=10), read=timedelta(seconds=20), total=timedelta(seconds=30))
BRIEF = Limits(connect=timedelta(seconds=10), read=timedelta(seconds=0.6), total=timedelta(seconds=1))


def gateway_at(
    url: str,
    *,
    limits: Limits = PATIENCE,
    ca_file: Path | None = None,
    on_call: Callable[[CallRecord], None] | None = None,
) -> MoodleGateway:
    """A gateway with the product's own client; loopback is allowed, everything else is as in production."""
    client = build_client(allow_private=True, limits=limits, ca_file=str(ca_file) if ca_file else None)
    return MoodleGateway(client, url, Secret(TOKEN), on_call=on_call)


@contextmanager
def server(answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port of 127.0.0.1 where each connection is handed to `answer`."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_accept, args=(listener, answer, context), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _accept(listener: socket.socket, answer: Callable[[socket.socket], None], context: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer, context), daemon=True).start()


def _serve(connection: socket.socket, answer: Callable[[socket.socket], None], context: ssl.SSLContext | None) -> None:
    with suppress(OSError), connection:
        answer(context.wrap_socket(connection, server_side=True) if context else connection)


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port where no connection is ever accepted and further ones are not even answered (D2)."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        connection = socket.socket()
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.connect(listener.getsockname())
        waiting.append(connection)
    try:
        yield listener.getsockname()[1]
    finally:
        for connection in [*waiting, listener]:
            connection.close()


def certificate(folder: Path, *, days: int = 1, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's context and the file of the authority that made its certificate, which ends in `days`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=9))
    builder = builder.not_valid_after(now + timedelta(days=days))
    names = [x509.DNSName(name), *([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))] if name == "localhost" else [])]
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    pem = folder / f"{name}.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = folder / f"{name}.key"
    clear = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, clear))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, pem


def read_request(connection: socket.socket) -> bytes:
    """The whole request, so that closing afterwards is no reset."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the client hung up")
    return received
