-- name: integration
-- One integration with everything a worker needs of it.
select i.integration_id, i.tenant, i.name, i.url, i.settings, i.settings_version, i.token_sealed, i.password_sealed,
       k.master_key, k.wrapped as data_key, i.state,
       (i.resume_at is not null and i.resume_at > now()) as resting, i.courses_seen_at
from integration i join tenant_key k using (tenant) where i.integration_id = %(integration_id)s;

-- name: search_in_order
-- For the rest of the transaction. Nothing tells the planner how much is due; a search along the index of due accounts
-- ends with the batch, where a bitmap would look at all of them, each with its namesakes, and then sort.
select set_config('enable_bitmapscan', 'off', true);

-- name: claim_accounts
-- Takes what is due, leavers first. What nobody waits for comes in batches of its own, so that nobody who is waited
-- for waits for all of those. Work whose last start had no end comes in smaller batches, so that the one that kills its
-- worker ends up alone. Somebody new waits while an older newcomer with the same address or key is under way, because
-- an LMS guards neither against two creates at once (contract, section 9). Where calls are counted, only those that can
-- be paid for are taken, and of one urgency, because what is urgent may spend what other work may not.
with locked as materialized (
    select account_id, starts, urgency, due_at
    from account a
    where a.integration_id = %(integration_id)s
      and a.due_at <= now()
      and a.urgency <= %(least_urgent)s
      and (%(admitted)s::int[] is null or (%(admitted)s::int[])[a.urgency + 1] > 0)
      and a.state in ('due', 'settled', 'out_of_scope')
      and (a.lease_until is null or a.lease_until < now())
      and exists (select from integration i where i.integration_id = a.integration_id and i.state = 'active'
                  and (i.resume_at is null or i.resume_at <= now()))
      and (a.lms_user_id is not null
           -- Two questions, so that each has an index to itself whatever the planner knows of the table.
           or not exists (select from account o
                          where o.integration_id = a.integration_id and o.email_key = a.email_key
                            and o.account_id < a.account_id and o.lms_user_id is null and o.state = 'due')
              and not exists (select from account o
                              where o.integration_id = a.integration_id and o.external_key = a.external_key
                                and o.account_id < a.account_id and o.lms_user_id is null and o.state = 'due'))
    order by a.starts, a.urgency, a.due_at
    limit %(most)s
    for update of a skip locked
), numbered as (
    select account_id, starts, urgency, row_number() over first_come as n,
           first_value(starts) over first_come as fewest, first_value(urgency) over first_come as most_urgent
    from locked
    window first_come as (order by starts, urgency, due_at)
), token as materialized (
    select nextval('lease_token') as lease_token
)
update account a
set lease_token = token.lease_token, lease_until = now() + %(lease)s, starts = a.starts + 1, attempts = a.attempts + 1,
    first_attempt_at = coalesce(a.first_attempt_at, now())
from numbered, token
where a.account_id = numbered.account_id and numbered.starts = numbered.fewest
  and (numbered.urgency = 2) = (numbered.most_urgent = 2)
  and numbered.n <= case numbered.fewest when 0 then %(most)s when 1 then 10 else 1 end
  and (%(admitted)s::int[] is null
       or numbered.urgency = numbered.most_urgent and numbered.n <= (%(admitted)s::int[])[numbered.urgency + 1])
returning a.account_id, a.employee_key, a.wanted, a.applied, a.username, a.revision, a.lms_user_id, a.link, a.attempts,
          a.starts, a.doubt, a.lease_token, now() - a.first_attempt_at as running_for, a.sync_run, a.urgency,
          (select h.trace_id from person h where h.tenant = a.tenant and h.employee_key = a.employee_key), numbered.n;

-- name: look_accounts
-- The accounts of these people as a worker would claim them, without claiming them.
select a.account_id, a.employee_key, a.wanted, a.applied, a.username, a.revision, a.lms_user_id, a.link, a.attempts,
       a.starts, a.doubt, 0::bigint as lease_token, interval '0' as running_for, a.state, a.code
from account a where a.integration_id = %(integration_id)s and a.employee_key = any(%(keys)s)
order by a.employee_key;

-- name: placements_of
-- All placements of the claimed people that the LMS should hold or holds, with the course they lead to.
select p.placement_id, p.account_id, p.enrolment_key, p.course_code, p.state, p.wanted, p.applied, p.revision,
       p.provisioned_at is not null as provisioned, p.completed, p.attempts, now() - p.first_attempt_at as running_for,
       p.due_at is not null and p.due_at <= now() as due,
       p.not_after is not null and p.not_after < now() as too_late,
       p.grouped, p.group_due_at is not null and p.group_due_at <= now() as group_due, p.group_attempts,
       now() - p.group_first_at as group_running_for,
       -- Once provisioned, the course is known by its id: its code may change (R58).
       coalesce(case when p.provisioned_at is not null then p.lms_course_id end,
                nullif(trim(own.data ->> 'lms_course_id'), ''), nullif(trim(general.data ->> 'lms_course_id'), ''),
                seen.lms_course_id, told.lms_course_id) as lms_course_id, e.trace_id
from placement p
join integration i using (integration_id)
left join enrolment e on e.tenant = p.tenant and e.enrolment_key = p.enrolment_key
left join course own on own.tenant = p.tenant and own.course_code = p.course_code and own.integration = i.name
left join course general on general.tenant = p.tenant and general.course_code = p.course_code and general.integration = ''
left join lateral (select min(c.lms_course_id) as lms_course_id from lms_course c
                   where c.integration_id = p.integration_id and c.code = p.course_code and not c.gone
                   having count(*) = 1) seen on true
-- HR may know the course by the code that it had once.
left join lateral (select min(c.lms_course_id) as lms_course_id from lms_course c
                   where c.integration_id = p.integration_id and c.told ->> 'code' = p.course_code and not c.gone
                   having count(*) = 1) told on true
where p.account_id = any(%(ids)s) and (p.state in ('due', 'settled') or p.provisioned_at is not null);

-- name: lock_accounts
-- A batch's accounts are locked before anything else of theirs, in the order in which facts lock them; whoever locks
-- several people keeps to it, so that two transactions never wait for each other.
select account_id from account where account_id = any(%(ids)s) order by employee_key collate "C" for no key update;

-- name: renew_lease
-- The work goes on; only while it is still ours.
update account set lease_until = now() + %(lease)s where account_id = any(%(ids)s) and lease_token = %(token)s
returning account_id;

-- name: linked_elsewhere
-- Which of these LMS users belong to other people of this integration.
select lms_user_id, account_id from account
where integration_id = %(integration_id)s and lms_user_id = any(%(user_ids)s);

-- name: all_links
-- Every LMS user that is linked, and to whom.
select lms_user_id, account_id from account where integration_id = %(integration_id)s and lms_user_id is not null;

-- name: all_usernames
-- Every user name that is reserved, and for whom.
select username, account_id from account where integration_id = %(integration_id)s and username is not null;

-- name: refused
-- The LMS users that a person said these people are not.
select account_id, refused from account where account_id = any(%(ids)s) and refused <> '{}';

-- name: usernames_reserved
-- Which of these user names other people of this integration have reserved.
select username, account_id from account where integration_id = %(integration_id)s and username = any(%(usernames)s);

-- name: reserve_usernames
-- A user name is ours before it is sent, so that a replay sends the same one.
update account a set username = r.username
from unnest(%(ids)s::bigint[], %(usernames)s::text[]) as r(id, username)
where a.account_id = r.id and a.lease_token = %(token)s;

-- name: save_links
-- Who is who, as soon as it is known.
update account a
set lms_user_id = l.lms_user_id, link = l.how, linked_at = now(), applied = l.applied::jsonb, doubt = 0
from unnest(%(ids)s::bigint[], %(user_ids)s::text[], %(hows)s::text[], %(applied)s::text[])
     as l(id, lms_user_id, how, applied)
where a.account_id = l.id and a.lease_token = %(token)s
returning a.account_id;

-- name: record_placements
-- How each placement ended, unless HR changed it meanwhile. What HR took back before anybody knew that the LMS holds it
-- is taken back there, too.
update placement p
set applied = coalesce(o.applied::jsonb, p.applied),
    lms_course_id = coalesce(o.lms_course_id, p.lms_course_id),
    provisioned_at = case when o.provisioned then coalesce(p.provisioned_at, now()) else p.provisioned_at end,
    state = case when same then o.state when taken_back then 'due' else p.state end,
    code = case when same then o.code when not taken_back then p.code end,
    due_at = case when taken_back then now() when not same then p.due_at when o.state = 'due' then now() + o.wait end,
    attempts = case when not same or o.state <> 'due' then 0 else p.attempts + o.attempts end,
    first_attempt_at = case when same and o.state = 'due' and o.attempts > 0 then coalesce(p.first_attempt_at, now()) end,
    held_for = case when same then o.held_for end,
    -- The group is a step of its own, due as soon as the enrolment stands (R131, R145).
    group_due_at = case when o.provisioned and p.wanted ->> 'group_key' <> coalesce(p.grouped, '') then now() end,
    group_code = null, group_attempts = 0, group_first_at = null,
    changed_at = now()
from (
    select u.*, placement.revision = u.revision as same,
           placement.revision <> u.revision and placement.state = 'not_wanted' and (provisioned or in_doubt) as taken_back
    from unnest(%(ids)s::bigint[], %(revisions)s::int[], %(states)s::text[], %(codes)s::text[], %(waits)s::interval[],
                %(attempts)s::int[], %(applied)s::text[], %(courses)s::text[], %(provisioned)s::boolean[],
                %(held_for)s::text[], %(in_doubt)s::boolean[])
         as u(id, revision, state, code, wait, attempts, applied, lms_course_id, provisioned, held_for, in_doubt)
    join placement on placement.placement_id = u.id
    join account on account.account_id = placement.account_id and account.lease_token = %(token)s
) o
where p.placement_id = o.id;

-- name: record_memberships
-- How putting people into groups ended.
update placement p
set grouped = coalesce(o.grouped, p.grouped), group_due_at = now() + o.wait, group_code = o.code,
    group_attempts = case when o.wait is null then 0 else p.group_attempts + o.attempts end,
    group_first_at = case when o.wait is not null then coalesce(p.group_first_at, now()) end,
    held_for = coalesce(p.held_for, o.held_for)
from (
    select u.* from unnest(%(ids)s::bigint[], %(grouped)s::text[], %(codes)s::text[], %(waits)s::interval[],
                           %(attempts)s::int[], %(held_for)s::text[])
                    as u(id, grouped, code, wait, attempts, held_for)
    join placement on placement.placement_id = u.id
    join account on account.account_id = placement.account_id and account.lease_token = %(token)s
) o
where p.placement_id = o.id;

-- name: log_contacts
-- That these enrolments were provisioned, once each.
insert into contact_log (tenant, integration_id, employee_key, enrolment_key, course_code, text)
select %(tenant)s, %(integration_id)s, u.* from unnest(%(employees)s::text[], %(enrolments)s::text[], %(courses)s::text[],
                                                       %(texts)s::text[]) as u
on conflict (integration_id, enrolment_key) where deleted_at is null do nothing
returning enrolment_key, contact_id;

-- name: record_accounts
-- How each account ended, and the end of its lease. What HR changed meanwhile is due at once.
update account a
set applied = coalesce(o.applied::jsonb, a.applied),
    doubt = o.doubt,
    state = case when same then o.state else a.state end,
    code = case when same then o.code else a.code end,
    due_at = case when not same then a.due_at
                  when o.state in ('parked', 'waiting', 'staged') then null
                  when o.state = 'due' then now() + o.wait
                  -- Only those that are due have an instant.
                  else (select least(min(p.due_at), min(p.group_due_at))
                        from placement p where p.account_id = a.account_id) end,
    attempts = case when not same or o.state <> 'due' then 0 when o.burnt then a.attempts else a.attempts - 1 end,
    first_attempt_at = case when same and o.state = 'due' and o.burnt then a.first_attempt_at end,
    -- What was read again last of all is of common urgency from now on.
    urgency = case when same and o.state = 'due' and not o.burnt then a.urgency else least(a.urgency, 1) end,
    held_for = case when same then o.held_for end,
    starts = 0, lease_token = null, lease_until = null, changed_at = now()
from (
    select u.*, account.revision = u.revision as same
    from unnest(%(ids)s::bigint[], %(revisions)s::int[], %(states)s::text[], %(codes)s::text[], %(waits)s::interval[],
                %(burnt)s::boolean[], %(doubts)s::smallint[], %(applied)s::text[], %(held_for)s::text[])
         as u(id, revision, state, code, wait, burnt, doubt, applied, held_for)
    join account on account.account_id = u.id and account.lease_token = %(token)s
) o
where a.account_id = o.id
returning a.account_id;

-- name: let_go
-- The batch broke on a bug: its starts stay without an end, so that it comes back in smaller batches at once.
update account set lease_token = null, lease_until = null where lease_token = %(token)s;

-- name: resolve_failures
-- What has been done is no failure any more, but for what it was done without.
update failure set resolved_at = now()
where subject_kind = %(kind)s and subject_id = any(%(ids)s::text[]) and resolved_at is null
  and code <> all(%(keep)s::text[]);

-- name: write_timeline
-- What was done for whom.
insert into timeline (tenant, integration_id, employee_key, enrolment_key, kind, data)
select %(tenant)s, %(integration_id)s, u.employee_key, u.enrolment_key, u.kind, u.data::jsonb
from unnest(%(employees)s::text[], %(enrolments)s::text[], %(kinds)s::text[], %(data)s::text[])
     as u(employee_key, enrolment_key, kind, data);

-- name: announce
-- Outbound events commit with what they tell of; a repeated one is the same one.
insert into outbox (tenant, event_id, type, body)
select i.tenant, said.* from integration i, unnest(%(event_ids)s::text[], %(types)s::text[], %(bodies)s::bytea[]) said
where i.integration_id = %(integration_id)s
on conflict (event_id) do nothing;

-- name: count_calls
-- What the LMS was asked, by day.
insert into lms_calls as c (integration_id, day, function, outcome, calls, items)
select %(integration_id)s, current_date, u.function, u.outcome, u.calls, u.items
from unnest(%(functions)s::text[], %(outcomes)s::text[], %(calls)s::bigint[], %(items)s::bigint[])
     as u(function, outcome, calls, items)
on conflict (integration_id, day, function, outcome)
do update set calls = c.calls + excluded.calls, items = c.items + excluded.items;

-- name: quarantine
-- The site refuses us: nothing more is sent until a probe succeeds.
update integration
set state = 'quarantined', hold_code = %(code)s, hold_detail = %(detail)s, held_since = now(), resume_at = now() + %(wait)s
where integration_id = %(integration_id)s and state = 'active'
returning held_since;

-- name: change_hold
-- The site refuses us for another reason than before.
update integration set hold_code = %(code)s, hold_detail = %(detail)s
where integration_id = %(integration_id)s and state = 'quarantined' and hold_code <> %(code)s
returning held_since;

-- name: note_outage
-- The site is away or asks for fewer calls: nothing is sent before the wait is over.
update integration
set outages = outages + 1, resume_at = greatest(resume_at, now() + %(wait)s)
where integration_id = %(integration_id)s and state = 'active'
returning outages;

-- name: outages
-- Outages in a row so far.
select outages from integration where integration_id = %(integration_id)s;

-- name: note_answer
-- The site answers again.
update integration set outages = 0, resume_at = null
where integration_id = %(integration_id)s and state = 'active' and outages > 0;

-- name: operation_holds
-- What the site refuses by itself, and whether it is to be left alone or may be tried again.
select operation, probe_at > now() from operation_hold where integration_id = %(integration_id)s;

-- name: hold_operation
-- The site refuses this kind of call; it is tried again after the wait.
insert into operation_hold as h (integration_id, operation, code, probe_at)
values (%(integration_id)s, %(operation)s, %(code)s, now() + %(wait)s)
on conflict (integration_id, operation) do update set code = excluded.code, probe_at = excluded.probe_at;

-- name: end_operation_holds
-- The site takes these calls again: what was put off because of them is due now.
with ended as (
    delete from operation_hold where integration_id = %(integration_id)s and operation = any(%(operations)s::text[])
    returning operation
), placements as (
    update placement
    set due_at = case when state = 'due' then now() end, held_for = null,
        group_due_at = case when group_due_at is not null then now() end
    where integration_id = %(integration_id)s and held_for in (select operation from ended)
    returning account_id
)
update account set due_at = now(), held_for = null
where integration_id = %(integration_id)s
  and (held_for in (select operation from ended) or account_id in (select account_id from placements));

-- name: put_off_probe
-- A probe is under way; whatever comes of it, the next one is not due before the wait is over.
update integration set resume_at = now() + %(wait)s
where integration_id = %(integration_id)s and state = 'quarantined' and resume_at <= now()
returning hold_code;

-- name: release
-- The probe succeeded: held work drains by itself.
update integration
set state = 'active', hold_code = null, hold_detail = null, held_since = null, resume_at = null, outages = 0
where integration_id = %(integration_id)s and state = 'quarantined'
returning integration_id;
