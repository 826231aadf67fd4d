-- name: append
-- One act; number, time and hash are the database's.
insert into audit (tenant, actor, role, source, action, target, before, after, reason, outcome, request_id, operation)
values (%(tenant)s, %(actor)s, %(role)s, %(source)s, %(action)s, %(target)s, %(before)s::jsonb, %(after)s::jsonb,
        %(reason)s, %(outcome)s, %(request_id)s, %(operation)s)
returning audit_id;

-- name: append_refusal
-- What was not done. Only the last few of its kind are looked through for the same one.
insert into audit (tenant, actor, role, source, action, target, before, after, reason, outcome, request_id, operation)
select %(tenant)s, %(actor)s, %(role)s, %(source)s, %(action)s, %(target)s, %(before)s::jsonb, %(after)s::jsonb,
       %(reason)s, %(outcome)s, %(request_id)s, %(operation)s
where not exists (
    select from (select * from audit where target = %(target)s order by audit_id desc limit 100) a
    where a.at > now() - interval '1 minute' and a.outcome = %(outcome)s and a.action = %(action)s
      and a.tenant is not distinct from %(tenant)s and a.actor = %(actor)s and a.role = %(role)s
      and a.source = %(source)s and a.after = %(after)s::jsonb);

-- name: append_items
-- What an operation did, one by one, under the name and reason of whoever ordered it.
insert into audit (tenant, actor, role, source, action, target, before, after, reason, outcome, request_id, operation)
select o.tenant, o.actor, o.role, o.source, o.action, i.target, i.before::jsonb, i.after::jsonb, o.reason, i.outcome,
       o.request_id, o.audit_id
from audit o, unnest(%(targets)s::text[], %(befores)s::text[], %(afters)s::text[], %(outcomes)s::text[])
     with ordinality as i (target, before, after, outcome, place)
where o.audit_id = %(operation)s
order by i.place;

-- name: chains
-- Where each chain ends.
select tenant, number, hash from audit_chain where %(tenant)s::text is null or tenant = %(tenant)s order by tenant;

-- name: sealed
-- One chain in order, with exactly what each hash covers.
select number, audit_content(audit), previous, hash from audit
where coalesce(tenant, '') = %(chain)s and number > %(after)s order by number limit %(most)s;

-- name: entries
-- What was done, the newest first.
select audit_id, number, at, tenant, actor, role, source, action, target, before, after, reason, outcome, request_id,
       operation, hash
from audit
where (%(tenant)s::text is null or tenant = %(tenant)s) and (%(actor)s::text is null or actor = %(actor)s)
  and (%(action)s::text is null or action = %(action)s) and (%(target)s::text is null or target = %(target)s)
  and (%(outcome)s::text is null or outcome = %(outcome)s)
  and (%(operation)s::bigint is null or operation = %(operation)s)
  and (%(before_id)s::bigint is null or audit_id < %(before_id)s)
order by audit_id desc limit %(most)s;
