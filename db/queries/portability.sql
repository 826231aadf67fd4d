-- name: person
-- HR's last word on the person.
select to_jsonb(p) from person p where p.tenant = %(tenant)s and p.employee_key = %(employee_key)s;

-- name: enrolment
-- HR's last word on each enrolment.
select to_jsonb(e) from enrolment e where e.tenant = %(tenant)s and e.employee_key = %(employee_key)s order by e.enrolment_key;

-- name: account
-- Who the person is in each LMS, what is wanted there and what was written.
select to_jsonb(a) || jsonb_build_object('integration', i.name)
from account a join integration i using (integration_id)
where a.tenant = %(tenant)s and a.employee_key = %(employee_key)s order by a.account_id;

-- name: placement
-- Each enrolment in each LMS.
select to_jsonb(p) || jsonb_build_object('integration', i.name)
from placement p join account a using (account_id) join integration i on i.integration_id = p.integration_id
where a.tenant = %(tenant)s and a.employee_key = %(employee_key)s order by p.placement_id;

-- name: contact_log
-- When which enrolment was provisioned.
select to_jsonb(c) from contact_log c
where c.tenant = %(tenant)s and c.employee_key = %(employee_key)s order by c.contact_id;

-- name: result
-- What came back.
select to_jsonb(r) from result r
where r.tenant = %(tenant)s and r.employee_key = %(employee_key)s order by r.result_id;

-- name: result_event
-- What HR was told of it, each time.
select to_jsonb(e) from result_event e join result r using (result_id)
where r.tenant = %(tenant)s and r.employee_key = %(employee_key)s order by e.recorded_at, e.event_id;

-- name: held_completion
-- What is completed and no result.
select to_jsonb(h) from held_completion h
where h.tenant = %(tenant)s and h.employee_key = %(employee_key)s order by h.held_id;

-- name: finding
-- What somebody changed at an LMS.
select to_jsonb(f) from finding f join integration i using (integration_id)
where i.tenant = %(tenant)s and f.employee_key = %(employee_key)s order by f.finding_id;

-- name: guard_item
-- Where the person was among suspensions that waited for a decision.
select to_jsonb(g) from guard_item g join account a using (account_id)
where a.tenant = %(tenant)s and a.employee_key = %(employee_key)s order by g.guard_id;

-- name: failure
-- What went wrong for the person, and with messages about them.
select to_jsonb(f) from failure f
where f.tenant = %(tenant)s
  and (f.employee_key = %(employee_key)s
       or (f.subject_kind = 'inbox' and exists (select from inbox m where m.inbox_id::text = f.subject_id
                                                and m.tenant = %(tenant)s and m.subject = any(%(subjects)s))))
order by f.failure_id;

-- name: replay_item
-- Where that was tried again.
select to_jsonb(i) from replay_item i join replay r using (replay_id)
where r.tenant = %(tenant)s and i.employee_key = %(employee_key)s order by i.replay_id, i.position;

-- name: timeline
-- What was done and decided.
select to_jsonb(t) from timeline t
where t.tenant = %(tenant)s and t.employee_key = %(employee_key)s order by t.timeline_id;

-- name: inbox
-- What came about the person and their enrolments, from where, as it came.
select to_jsonb(m) - 'body', m.body from inbox m
where m.tenant = %(tenant)s and m.subject = any(%(subjects)s) order by m.inbox_id;

-- name: outbox
-- What was sent that may be about the person: it holds their key somewhere.
select to_jsonb(o) - 'body', o.body from outbox o
where o.tenant = %(tenant)s and position(%(mark)s::bytea in o.body) > 0 order by o.outbox_id;

-- name: audit
-- What people did with the person's record, and who looked at it.
select to_jsonb(a) from audit a
where a.tenant = %(tenant)s and a.target = any(
    array['person/' || %(employee_key)s::text]
    || array(select 'link/' || i.name || '/' || %(employee_key)s::text from integration i where i.tenant = %(tenant)s)
    || array(select 'enrolment/' || s.key from unnest(%(subjects)s::text[]) as s (key))
    || array(select 'enrolment/' || i.name || '/' || s.key
             from integration i, unnest(%(subjects)s::text[]) as s (key) where i.tenant = %(tenant)s))
order by a.audit_id;
