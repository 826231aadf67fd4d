"""What only a self-check asks a portal. Nothing of it writes."""

from lms import talentlms_answers as shapes
from lms.talentlms import TalentGateway
from lms.talentlms_answers import SiteInfo
from lms.talentlms_fields import Fields


class TalentProbe(TalentGateway):
    """The gateway, and what only a self-check asks."""

    def counts(self) -> SiteInfo:
        """How much the portal says that it has."""
        return self._site()

    def sees_anybody(self) -> bool:
        """Whether a list of users brings somebody; every portal has its administrator."""
        return bool(self._told("users", shapes.USERS, {"page_size": "1", "page_number": "1"}))

    def registration(self) -> Fields:
        """What a newcomer has to say."""
        return self._user_fields()

    def group_keys(self) -> set[str]:
        """The keys of all groups."""
        return {group.key for group in self._pages("groups", shapes.GROUPS) if group.key}
