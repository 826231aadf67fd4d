-- name: write_notice
-- People are told of this once, by every channel.
insert into notice (key, channel, tenant, integration_id, kind, code, detail)
select %(key)s, channel, i.tenant, i.integration_id, %(kind)s, %(code)s, %(detail)s
from integration i cross join unnest('{mail,webhook}'::text[]) as channel
where i.integration_id = %(integration_id)s
on conflict (key, channel) do nothing;

-- name: claim_notices
-- What is due to be sent, for us alone for a while; the attempt is counted. Notices of messages go where those of the
-- client's first integration go.
with taken as (
    update notice set attempts = attempts + 1, due_at = now() + %(lease)s
    where notice_id in (select notice_id from notice where due_at <= now() order by due_at limit %(most)s
                        for update skip locked)
    returning *
)
select t.notice_id, t.key, t.channel, t.kind, coalesce(t.tenant, '') as tenant, i.name as integration, t.group_id, t.code,
       t.detail, t.written_at, t.attempts, now() - t.written_at as running_for, i.settings -> 'notices' as settings,
       i.webhook_sealed, k.master_key, k.wrapped as data_key, i.name, now() as now
from taken t
left join lateral (
    select * from integration i
    where i.state <> 'removed' and (i.integration_id = t.integration_id
                                    or (t.integration_id is null and i.tenant = t.tenant))
    order by i.integration_id limit 1) i on true
left join tenant_key k on k.tenant = i.tenant
order by t.notice_id;

-- name: sent
-- It is there.
update notice set sent_at = now(), due_at = null, problem = null where notice_id = %(notice_id)s;

-- name: not_sent
-- It is not there: tried again after the wait, or given up without one.
update notice set due_at = now() + %(wait)s, problem = %(problem)s where notice_id = %(notice_id)s;

-- name: notices
-- What people were told, or not, the newest first.
select n.notice_id, n.key, n.channel, n.kind, n.tenant, i.name as integration, n.group_id, n.code, n.detail, n.written_at,
       n.sent_at, n.attempts, n.problem, n.due_at is not null as waiting
from notice n left join integration i using (integration_id)
where %(tenant)s::text is null or n.tenant = %(tenant)s order by n.notice_id desc limit %(most)s;
