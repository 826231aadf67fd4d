"""An LMS within reach of a command: for looking only."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from db.configuration import IntegrationRow, bound_to
from domain.errors import HoldIntegration
from domain.integration import IntegrationSettings
from domain.lms import LmsGateway
from lms.opening import Gateways
from lms.read_only import ReadOnly
from runtime.secrets import CannotUnseal, Secret, unseal
from runtime.settings import Settings

DEADLINE = timedelta(seconds=30)


@contextmanager
def lms_of(settings: Settings, integration: IntegrationRow) -> Iterator[LmsGateway]:
    """
    The integration's LMS; nothing is called yet.

    Raises:
        HoldIntegration: The token cannot be opened (key_mismatch).
    """
    token = token_of(settings, integration)
    with Gateways(allow_private=settings.allow_private_lms, deadline=DEADLINE) as gateways:
        yield gateways.open(IntegrationSettings.model_validate(integration.settings), token)


@contextmanager
def reading(settings: Settings, integration: IntegrationRow) -> Iterator[ReadOnly]:
    """The integration's LMS, as `lms_of`; every write is refused before it is sent."""
    with lms_of(settings, integration) as gateway:
        yield ReadOnly(gateway)


def token_of(settings: Settings, integration: IntegrationRow) -> Secret:
    """
    The integration's token.

    Raises:
        HoldIntegration: It was sealed with another key (key_mismatch).
    """
    try:
        bound = bound_to(integration.tenant, integration.name, "token")
        return unseal(integration.token_sealed, key=settings.master_key, bound_to=bound)
    except CannotUnseal:
        raise HoldIntegration("key_mismatch", "the token was sealed with another MATRICULA_KEY") from None
