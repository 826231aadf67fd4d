-- name: add_tenant
-- A tenant exists from its first integration on.
insert into tenant (tenant) values (%(tenant)s) on conflict do nothing;

-- name: tenants
-- Every client company.
select tenant from tenant order by tenant;

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

-- name: kept_settings
-- Versions of the settings that were kept, the newest first.
select version, settings, saved_at from integration_settings
where integration_id = %(integration_id)s and (%(versions)s::int[] is null or version = any(%(versions)s))
order by version desc;

-- name: add_cursor
-- The first poll is due when the integration is enabled.
insert into poll_cursor (integration_id) values (%(integration_id)s);

-- name: change_settings
-- A new version of an integration's settings.
update integration
set settings = %(settings)s::jsonb, url = %(settings)s::jsonb ->> 'url', settings_version = settings_version + 1,
    -- Another rule for courses counts at once.
    courses_seen_at = case when settings -> 'catalogue' = %(settings)s::jsonb -> 'catalogue'
                            and settings -> 'timezone' = %(settings)s::jsonb -> 'timezone' then courses_seen_at end
where integration_id = %(integration_id)s and settings_version = %(version)s
returning settings_version;

-- name: replace_token
-- Another token, sealed. What held the integration is asked about at once.
update integration
set token_sealed = %(token)s, resume_at = case when state = 'quarantined' then now() else resume_at end
where integration_id = %(integration_id)s;

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
       i.hold_detail, i.held_since, i.resume_at, i.password_sealed is not null as has_password, k.master_key,
       k.wrapped as data_key
from integration i join tenant_key k using (tenant)
where (%(tenant)s::text is null or i.tenant = %(tenant)s) and (%(name)s::text is null or i.name = %(name)s)
  and (%(integration_id)s::bigint is null or i.integration_id = %(integration_id)s)
  and (%(removed)s or i.state <> 'removed')
order by i.tenant, i.name, i.integration_id;

-- name: replace_webhook_secret
-- Notices are signed with this from now on.
update integration set webhook_sealed = %(secret)s where integration_id = %(integration_id)s;

-- name: replace_password
-- Another preset password, sealed, or none.
update integration set password_sealed = %(password)s where integration_id = %(integration_id)s;

-- name: enable
-- Enabled by a person; nothing comes back when it was enabled already.
update integration i
set state = 'active', hold_code = null, hold_detail = null, held_since = null, resume_at = null, outages = 0
from (select integration_id, state from integration where integration_id = %(integration_id)s for update) before
where i.integration_id = before.integration_id and before.state in ('draft', 'paused', 'quarantined')
returning before.state;

-- name: remove
-- Nobody calls it any more and its secrets are gone; history, links and results stay (R179).
update integration
set state = 'removed', token_sealed = '', password_sealed = null, webhook_sealed = null, hold_code = null,
    hold_detail = null, held_since = null,
    resume_at = null, outages = 0
where integration_id = %(integration_id)s and state <> 'removed'
returning integration_id;

-- name: forget_failures
-- What was wrong with an integration that is gone needs nobody any more.
update failure set resolved_at = now() where integration_id = %(integration_id)s and resolved_at is null;

-- name: note_integration
-- What a person did with an integration.
insert into timeline (tenant, integration_id, kind, data)
values (%(tenant)s, %(integration_id)s, %(kind)s, %(data)s::jsonb);

-- name: linked_people
-- How many people of an integration have an account in its LMS.
select count(*) from account where integration_id = %(integration_id)s and lms_user_id is not null;

-- name: payrolls
-- Every payroll that HR has named, with its people in HR and in this integration, how many of those have something due,
-- and the sweep over it: the one under way, else the last.
with known as (
    select payroll from person where tenant = %(tenant)s and not erased group by payroll
    union select payroll from payroll where tenant = %(tenant)s
), counted as (
    select p.payroll, count(*) as people, count(*) filter (where p.data ->> 'status' <> 'terminated') as employed,
           count(a.lms_user_id) as linked, count(*) filter (where a.due_at <= now()) as due
    from person p
    left join account a on a.integration_id = %(integration_id)s and a.employee_key = p.employee_key
    where p.tenant = %(tenant)s and not p.erased group by p.payroll
)
select k.payroll, coalesce(d.data ->> 'name', ''), coalesce(c.people, 0), coalesce(c.employed, 0), coalesce(c.linked, 0),
       coalesce(c.due, 0), s.people, s.done_at
from known k
left join counted c on c.payroll is not distinct from k.payroll
left join lateral (select data from payroll y where y.tenant = %(tenant)s and y.payroll = k.payroll
                   order by y.aspect, y.integration desc limit 1) d on true
left join lateral (select people, done_at from sweep w where w.tenant = %(tenant)s and w.payroll = k.payroll
                   order by w.done_at desc nulls first, w.sweep_id limit 1) s on true;

-- name: payroll_words
-- HR's word on which payrolls belong where.
select payroll, integration, enabled from payroll where tenant = %(tenant)s and aspect = 'scope';

-- name: own_payroll_data
-- HR's words on the scope of payrolls for one integration by name, as they were said.
select payroll, data from payroll
where tenant = %(tenant)s and aspect = 'scope' and integration = %(integration)s;
