"""An LMS within reach of a command: for looking only."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from db.configuration import IntegrationRow, bound_to
from domain.errors import HoldIntegration
from lms.opening import Gateways
from lms.read_only import ReadOnly
from runtime.secrets import CannotUnseal, unseal
from runtime.settings import Settings

DEADLINE = timedelta(seconds=30)


@contextmanager
def reading(settings: Settings, integration: IntegrationRow) -> Iterator[ReadOnly]:
    """
    The integration's LMS; every write is refused before it is sent.

    Raises:
        HoldIntegration: The token cannot be opened (key_mismatch).
    """
    try:
        bound = bound_to(integration.tenant, integration.name, "token")
        token = unseal(integration.token_sealed, key=settings.master_key, bound_to=bound)
    except CannotUnseal:
        raise HoldIntegration("key_mismatch", "the token was sealed with another MATRICULA_KEY") from None
    with Gateways(allow_private=settings.allow_private_lms, deadline=DEADLINE) as gateways:
        yield ReadOnly(gateways.open(integration.url, token))
