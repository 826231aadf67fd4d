"""Who looks after an LMS, whom to tell when it fails, and what the client was promised (R14, R78, R79, R83)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.failure_catalogue import Owner


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Contact(_Part):
    """Somebody to turn to."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="A person, a desk or a company.")]
    email: Annotated[str, Field(description="Their e-mail address.")] = ""
    phone: Annotated[str, Field(description="Their telephone number.")] = ""
    hours: Annotated[str, Field(description="When they answer.")] = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.name, self.email, self.phone, self.hours) if part)


class ServiceLevel(_Part):
    """What the client was promised. Times are hours."""

    name: Annotated[str, Field(description="What the agreement calls it.")] = ""
    respond_within_h: Annotated[
        int | None, Field(ge=1, description="Hours until somebody looks at a failure; it says how urgent failures are.")
    ] = None
    resolve_within_h: Annotated[int | None, Field(ge=1, description="Hours until a failure is gone.")] = None


class Support(_Part):
    """Hosting, contacts and promises of one LMS."""

    hosted_by: Annotated[
        Literal["unknown", "provider", "in_house"], Field(description="Who runs the LMS: a provider or the client.")
    ] = "unknown"
    host: Annotated[Contact | None, Field(description="Who hosts and supports the LMS.")] = None
    internal: Annotated[
        tuple[Contact, ...],
        Field(description="Our own chain of escalation, the first to ask first: failures of HR, IT and the product."),
    ] = ()
    client: Annotated[
        tuple[Contact, ...],
        Field(description="The client's or provider's chain, after the host: failures of the LMS."),
    ] = ()
    service_level: Annotated[ServiceLevel, Field(description="What was promised to this client.")] = ServiceLevel()

    def chain(self, owner: Owner) -> tuple[Contact, ...]:
        """Whom to ask about a failure of this owner's, the first one first."""
        if owner == "LMS":
            return ((self.host,) if self.host else ()) + self.client
        return self.internal

    def overdue(self, age: timedelta) -> bool:
        """Whether a failure this old should have been looked at by now."""
        promised = self.service_level.respond_within_h
        return promised is not None and age > timedelta(hours=promised)


class Welcome(_Part):
    """The mail that goes out each time the integration is enabled; none without an address."""

    mail_to: Annotated[tuple[str, ...], Field(description="Who gets the mail; nobody: none is sent.")] = ()
    guide_url: Annotated[str, Field(description="The user guide that the mail links to.")] = ""


class Notices(_Part):
    """Who is told, once each: a quarantine begins, its reason changes, or failures of a new cause appear."""

    mail_to: Annotated[
        tuple[str, ...],
        Field(description="Who gets the mails, unless `by_owner` names somebody; nobody: none is sent."),
    ] = ()
    by_owner: Annotated[
        dict[Owner, tuple[str, ...]], Field(description="Who gets the mails about failures of this side.")
    ] = {}
    webhook_url: Annotated[
        str,
        Field(
            max_length=500, description="Where notices are posted, signed with the webhook's secret; empty: nowhere."
        ),
    ] = ""

    def addresses(self, owner: Owner) -> tuple[str, ...]:
        """Who is told about a failure of this owner's."""
        return self.by_owner.get(owner, self.mail_to)
