-- name: add_tenant
-- A tenant exists from its first integration on.
insert into tenant (tenant) values (%(tenant)s) on conflict do nothing;

-- name: accept_set_aside
-- Events that waited for their tenant, or for a release that knows them, are to be applied after all. Of several with
-- one id the first is the event (A11).
with accepted as (
    update inbox set class = 'event', state = 'received', code = null, detail = null, settled_at = null
    where inbox_id in (select min(inbox_id) from inbox
                       where tenant = %(tenant)s and state = 'set_aside' and code = %(code)s group by event_key)
      and not exists (select from inbox o where o.event_key = inbox.event_key and o.class = 'event')
    returning inbox_id
)
update failure f set resolved_at = now() from accepted
where f.subject_kind = 'inbox' and f.subject_id = accepted.inbox_id::text and f.resolved_at is null;

-- name: add_integration
-- A draft: saved, but not enabled.
insert into integration (tenant, name, url, settings, token_sealed, password_sealed)
values (%(tenant)s, %(name)s, %(url)s, %(settings)s::jsonb, %(token)s, %(password)s)
returning integration_id;

-- name: keep_settings
-- Every version of the settings that a decision may refer to is kept.
insert into integration_settings (integration_id, version, settings)
select integration_id, settings_version, settings from integration where integration_id = %(integration_id)s;

-- name: add_cursor
-- The first poll is due when the integration is enabled.
insert into poll_cursor (integration_id) values (%(integration_id)s);

-- name: change_settings
-- A new version of an integration's settings.
update integration set settings = %(settings)s::jsonb, settings_version = settings_version + 1
where integration_id = %(integration_id)s;

-- name: replace_token
-- Another token, sealed.
update integration set token_sealed = %(token)s where integration_id = %(integration_id)s;

-- name: set_state
-- Enabled, paused or drafted by a person. A quarantine ends by a probe or by enabling anew.
update integration
set state = %(state)s, hold_code = null, hold_detail = null, held_since = null, resume_at = null, outages = 0
where integration_id = %(integration_id)s
returning integration_id;

-- name: sweep_everybody
-- All people of the tenant are looked at again.
insert into sweep (tenant) values (%(tenant)s);

-- name: integrations
-- The integrations, of one tenant or of all, with what a list shows.
select i.integration_id, i.tenant, i.name, i.url, i.settings, i.settings_version, i.token_sealed, i.state, i.hold_code,
       i.hold_detail, i.held_since, i.resume_at, i.password_sealed is not null as has_password
from integration i
where (%(tenant)s::text is null or i.tenant = %(tenant)s) and (%(name)s::text is null or i.name = %(name)s)
order by i.tenant, i.name;
