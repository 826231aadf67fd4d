-- name: lock_catalogue
-- One reading of an integration's courses is recorded at a time.
select pg_advisory_xact_lock(hashtextextended('catalogue', %(integration_id)s));

-- name: seen_at
-- When the reading on record ended, and now.
select courses_seen_at, now() from integration where integration_id = %(integration_id)s;

-- name: known_courses
-- All courses on record with what HR was told of them.
select lms_course_id, told, told_by, first_seen_at, gone, opened_at is not null
from lms_course where integration_id = %(integration_id)s;

-- name: save_courses
-- The site's courses as they are now, and what HR knows of them from now on where that is news.
insert into lms_course as c (integration_id, lms_course_id, code, short_name, title, visible, tracks_completion, category,
                             starts_at, told, told_by, problem, opened_at)
select %(integration_id)s, u.id, u.code, u.short_name, u.title, u.visible, u.tracks, u.category, u.starts_at,
       u.told::jsonb, u.told_by, u.problem, case when (u.told::jsonb ->> 'visible')::boolean then now() end
from unnest(%(ids)s::text[], %(codes)s::text[], %(short_names)s::text[], %(titles)s::text[], %(visible)s::boolean[],
            %(tracks)s::boolean[], %(categories)s::text[], %(starts_at)s::timestamptz[], %(told)s::text[],
            %(told_by)s::text[], %(problems)s::text[])
     as u(id, code, short_name, title, visible, tracks, category, starts_at, told, told_by, problem)
on conflict (integration_id, lms_course_id) do update
set code = excluded.code, short_name = excluded.short_name, title = excluded.title, visible = excluded.visible,
    tracks_completion = excluded.tracks_completion, category = excluded.category, starts_at = excluded.starts_at,
    told = coalesce(excluded.told, c.told), told_by = coalesce(excluded.told_by, c.told_by),
    problem = excluded.problem, opened_at = coalesce(c.opened_at, excluded.opened_at), gone = false,
    observed_at = now();

-- name: lose_courses
-- Courses that the site no longer has: inactive, and kept (R57).
update lms_course c
set gone = true, visible = false, problem = null, told = coalesce(u.told::jsonb, c.told),
    told_by = coalesce(u.told_by, c.told_by)
from unnest(%(ids)s::text[], %(told)s::text[], %(told_by)s::text[]) as u(id, told, told_by)
where c.integration_id = %(integration_id)s and c.lms_course_id = u.id and not c.gone;

-- name: unpark_found_courses
-- Enrolments that waited for a course which is there now.
with waiting as materialized (
    select p.placement_id from placement p
    join account a using (account_id)
    where p.integration_id = %(integration_id)s and p.state = 'parked' and p.code = 'course_not_found'
      and exists (select from lms_course c where c.integration_id = p.integration_id and not c.gone
                  and (c.code = p.course_code or c.told ->> 'code' = p.course_code))
    order by a.employee_key collate "C" for no key update of a
), found as (
    update placement p set state = 'due', code = null, due_at = now(), attempts = 0
    from waiting w
    where p.placement_id = w.placement_id and p.state = 'parked' and p.code = 'course_not_found'
    returning p.placement_id, p.account_id
), healed as (
    update failure f set resolved_at = now() from found
    where f.subject_kind = 'placement' and f.subject_id = found.placement_id::text and f.resolved_at is null
)
update account a set due_at = least(a.due_at, now()), revision = a.revision + 1
from (select distinct account_id from found) f
where a.account_id = f.account_id and a.state in ('due', 'settled');

-- name: courses_in_use
-- Courses whose completions somebody waits for.
select distinct lms_course_id from placement
where integration_id = %(integration_id)s and provisioned_at is not null and not completed and lms_course_id is not null;

-- name: resolve_course_failures
-- What was wrong with courses at the last reading and is not any more.
update failure set resolved_at = now()
where integration_id = %(integration_id)s and subject_kind = 'course' and code = any(%(codes)s)
  and subject_id <> all(%(open)s) and resolved_at is null;

-- name: courses_read
-- The whole catalogue was read just now.
update integration set courses_seen_at = now(), courses_retry_at = null where integration_id = %(integration_id)s;

-- name: put_off_courses
-- The courses could not be read, for a reason that waiting does not heal at once.
update integration set courses_retry_at = now() + %(wait)s where integration_id = %(integration_id)s;

-- name: list_courses
-- The catalogue as people see it.
select lms_course_id, coalesce(told ->> 'code', code) as code, title,
       coalesce(told ->> 'category', category) as category, visible as active, told ->> 'starts_on' as starts_on,
       starts_at, tracks_completion, gone, coalesce(told -> 'attributes', '{}') as attributes, told is not null as told,
       problem
from lms_course where integration_id = %(integration_id)s
order by 2, length(lms_course_id), lms_course_id;
