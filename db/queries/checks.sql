-- name: linked_sample
-- Some linked people whose id number we wrote.
select lms_user_id, applied ->> 'external_key' from account
where integration_id = %(integration_id)s and lms_user_id is not null and applied ->> 'external_key' <> ''
order by linked_at desc nulls last limit 3;

-- name: linked_courses
-- The LMS's courses that enrolments lead to, provisioned or not.
select distinct c.lms_course_id from lms_course c
join placement p on p.integration_id = c.integration_id
    and (p.lms_course_id = c.lms_course_id or (p.lms_course_id is null and p.course_code = c.code))
where c.integration_id = %(integration_id)s and p.state <> 'not_wanted'
union
select distinct lms_course_id from placement
where integration_id = %(integration_id)s and provisioned_at is not null and lms_course_id is not null;

-- name: group_keys
-- The groups that enrolments lead into.
select distinct wanted ->> 'group_key' from placement
where integration_id = %(integration_id)s and state <> 'not_wanted' and wanted ->> 'group_key' <> '';

-- name: learners
-- One learner for each course, as few people as that takes at once.
select distinct learner from (
    select min(a.lms_user_id) as learner from placement p join account a using (account_id)
    where p.integration_id = %(integration_id)s and p.provisioned_at is not null and p.state = 'settled'
      and a.lms_user_id is not null and not coalesce((p.applied ->> 'suspended')::boolean, false)
    group by p.lms_course_id
) one order by learner limit 20;

-- name: enrolment_counts
-- Enrolments held, those complete, and whether nothing was completed for a month though people were enrolled for longer.
select count(*), count(*) filter (where completed),
       coalesce(min(provisioned_at) < now() - interval '30 days', false)
from placement where integration_id = %(integration_id)s and provisioned_at is not null;

-- name: shared_addresses
-- Linked accounts whose address another linked account has too.
select count(*) from account a
where a.integration_id = %(integration_id)s and a.lms_user_id is not null
  and exists (select from account o where o.integration_id = a.integration_id and o.account_id <> a.account_id
              and o.lms_user_id is not null and lower(o.applied ->> 'email') = lower(a.applied ->> 'email'));

-- name: results_held
-- Whether results wait for a line to turn green.
select exists (select from integration_check
               where integration_id = %(integration_id)s and state = 'failed' and holds = 'results');

-- name: save_lines
-- The lines of this check; one that stayed as it was keeps its time, and one that was not reached its last state.
insert into integration_check as c (integration_id, name, position, state, detail, code, holds)
select %(integration_id)s, u.name, u.position, u.state, u.detail, u.code, u.holds
from unnest(%(names)s::text[], %(positions)s::int[], %(states)s::text[], %(details)s::text[], %(codes)s::text[],
            %(holds)s::text[]) as u(name, position, state, detail, code, holds)
on conflict (integration_id, name) do update
set position = excluded.position, state = excluded.state, detail = excluded.detail, code = excluded.code,
    holds = excluded.holds, since = case when c.state = excluded.state then c.since else now() end, checked_at = now()
where %(reached)s or excluded.state <> 'not checked';

-- name: forget_lines
-- Lines that this release, or these settings, do not have any more.
delete from integration_check where integration_id = %(integration_id)s and name <> all(%(names)s);

-- name: checked
-- When the integration was looked at as a whole.
update integration set checked_at = now() where integration_id = %(integration_id)s;

-- name: lines
-- The last check as it was kept.
select name, state, detail, code, since, checked_at from integration_check
where integration_id = %(integration_id)s order by position;

-- name: pinned
-- Who the site said it was when it was enabled.
select site_url, site_name from integration where integration_id = %(integration_id)s;

-- name: password_sealed
-- The preset password, sealed.
select password_sealed from integration where integration_id = %(integration_id)s;

-- name: pin
-- This is the site that is meant (R69).
update integration set site_url = %(url)s, site_name = %(name)s where integration_id = %(integration_id)s;

-- name: stay_held
-- A hold that the cheapest call cannot end; the next check will.
update integration set resume_at = now() + interval '25 hours'
where integration_id = %(integration_id)s and state = 'quarantined';

-- name: ask_again
-- Whether a quarantine is over is asked at once, and not when its wait is.
update integration set resume_at = now() where integration_id = %(integration_id)s and state = 'quarantined';

-- name: wake_poll
-- Results are read again: what held them is over.
update poll_cursor set due_at = least(due_at, now()) where integration_id = %(integration_id)s;

-- name: wanted_identities
-- What people's id number and address in the LMS should be, in pages.
select employee_key, wanted ->> 'external_key', wanted ->> 'email', lms_user_id from account
where integration_id = %(integration_id)s and wanted is not null
  and not coalesce((wanted ->> 'linked_only')::boolean, false) and employee_key > %(after)s
order by employee_key limit %(most)s;
