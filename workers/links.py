"""Who is who in the LMS, on record: the link, what upstream hears of it and the line in the timeline, together."""

from collections.abc import Mapping, Sequence

from db.accounts import ClaimedAccount, Entry, Integration, Saved, WorkStore
from domain.announcements import account_linked


def record_links(
    store: WorkStore, integration: Integration, accounts: Mapping[int, ClaimedAccount], links: Sequence[Saved]
) -> bool:
    """
    Each link is saved and announced in the caller's transaction: what is saved is not found again, nor told later.

    Args:
        accounts: The claimed batch, by account id.

    Returns:
        False when one of them is not ours any more; the caller rolls back.
    """
    if not links:
        return True
    keys = {link.account_id: accounts[link.account_id].employee_key for link in links}
    if len(store.save_links(accounts[links[0].account_id].lease_token, links)) < len(links):
        return False
    now = store.now()
    previous = {link.account_id: _previous(accounts[link.account_id], link) for link in links}
    store.write_timeline(
        integration.tenant,
        [
            Entry(
                keys[link.account_id],
                "account linked",
                data={"user": link.user_id, "how": link.how, "previous": previous[link.account_id]},
            )
            for link in links
        ],
    )
    store.announce(
        [
            account_linked(
                tenant=integration.tenant,
                integration=integration.name,
                employee_key=keys[link.account_id],
                lms_user_id=link.user_id,
                how=link.how,
                previous_id=previous[link.account_id],
                at=now,
                trace_id=accounts[link.account_id].trace_id,
            )
            for link in links
        ]
    )
    return True


def _previous(account: ClaimedAccount, link: Saved) -> str | None:
    """What HR had in place of this user's id, whatever it was: it is kept, because HR writes over it (R139)."""
    known_id = account.wanted.known_id if account.wanted else ""
    return known_id if known_id and known_id != link.user_id else None
