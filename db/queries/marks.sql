-- name: scope
-- How much is open, and how much of it has been read before.
select count(distinct lms_course_id), count(distinct account_id), count(*) filter (where mark is not null)
from result_scope where integration_id = %(integration_id)s and not completed;

-- name: members_of_next_course
-- Everybody whose results count in the next course where something is open, or in the next course at all.
with next as (
    select lms_course_id from result_scope
    where integration_id = %(integration_id)s and lms_course_id > %(after)s
      and (%(whole)s or not completed or mark is null)
    order by lms_course_id limit 1
)
select s.placement_id, s.account_id, s.lms_user_id, s.lms_course_id, s.mark, s.completed
from result_scope s join next using (lms_course_id)
where s.integration_id = %(integration_id)s
order by s.placement_id;

-- name: courses_of_next_people
-- All courses of the next people who have something open, or of the next people at all.
with next as (
    select distinct account_id from result_scope
    where integration_id = %(integration_id)s and account_id > %(after)s and (%(whole)s or not completed or mark is null)
    order by account_id limit %(most)s
)
select s.placement_id, s.account_id, s.lms_user_id, s.lms_course_id, s.mark, s.completed
from result_scope s join next using (account_id)
order by s.account_id, s.placement_id;

-- name: save_marks
-- How far these enrolments were when their units were read.
update placement p set mark = u.mark::jsonb, read_at = now()
from unnest(%(ids)s::bigint[], %(marks)s::text[]) as u(id, mark)
where p.placement_id = u.id;

-- name: read_people_again
-- All that these users have is to be read again, whatever their marks say.
update placement p set mark = null from result_scope s
where s.placement_id = p.placement_id and s.integration_id = %(integration_id)s and s.lms_user_id = any(%(user_ids)s)
  and p.mark is not null;

-- name: read_oldest_again
-- The open enrolments that were read longest ago are to be read again.
update placement p set mark = null
where p.placement_id in (
    select placement_id from result_scope
    where integration_id = %(integration_id)s and not completed and mark is not null
      and read_at < now() - %(not_before)s
    order by read_at, placement_id limit %(most)s
);

-- name: read_held_again
-- What was held back is to be read again once that on which it was decided has changed (G12).
update placement p set mark = null
from held_completion h
join integration i using (integration_id)
left join enrolment e on e.tenant = h.tenant and e.enrolment_key = h.enrolment_key
left join course own on own.tenant = h.tenant and own.course_code = h.course_code and own.integration = i.name
left join course general on general.tenant = h.tenant and general.course_code = h.course_code and general.integration = ''
where h.integration_id = %(integration_id)s and h.resolved_at is null
  and p.integration_id = h.integration_id and p.enrolment_key = h.enrolment_key and p.mark is not null
  and case h.reason
      when 'unmatched' then h.course_event is distinct from nullif(concat_ws(' ', own.event_id, general.event_id), '')
      else h.enrolment_event is distinct from e.event_id or h.settings_version <> i.settings_version end;

-- name: note_regrades
-- When changed grades were asked for, and how far they are known.
update poll_cursor set regraded_at = now(), regraded_until = coalesce(%(newest)s, regraded_until)
where integration_id = %(integration_id)s;
