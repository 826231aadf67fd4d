-- A database that has seen a lot. In this order, because rows refer to each other. Everybody is in the first integration,
-- a third in the second, too.

insert into integration (tenant, name, url, settings, token_sealed, state, checked_at, courses_seen_at)
select %(tenant)s, 'Seed ' || n, 'https://seed-' || n || '.example', '{"name": "Seed", "url": "https://seed.example",
       "results": {"pass_outcome": "C", "fail_outcome": "N"}}', '', 'active', now(), now()
from generate_series(1, 2) n;

insert into person (tenant, employee_key, data, payroll, occurred_at, event_id)
select %(tenant)s, 'E-' || n, jsonb_build_object('employee_key', 'E-' || n, 'first_name', 'Noor', 'last_name', 'Meer' || n,
       'emails', jsonb_build_array('noor.e-' || n || '@harbour.example'), 'status', 'active'),
       'NL-' || lpad((n %% 30)::text, 2, '0'), now() - interval '90 days', 'event ' || n
from generate_series(1, %(people)s) n;

insert into enrolment (tenant, enrolment_key, employee_key, course_code, data, occurred_at, event_id)
select %(tenant)s, 'EN-' || n, 'E-' || (n + 1) / 2, 'C' || lpad((n %% %(courses)s)::text, 3, '0'), '{"export": true}',
       now() - interval '80 days', 'enrolled ' || n
from generate_series(1, 2 * %(people)s) n;

insert into account (tenant, integration_id, employee_key, state, code, wanted, applied, external_key, email_key, username,
                     settings_version, lms_user_id, link, linked_at)
select %(tenant)s, i.integration_id, 'E-' || n, case when n %% 500 = 0 then 'parked' else 'settled' end,
       case when n %% 500 = 0 then 'several_candidates' end, '{"external_key": "x", "email": "x", "first_name": "Noor",
       "last_name": "Meer", "username": "x"}', '{"suspended": false}', 'E-' || n, 'noor.e-' || n, 'noor' || n, 1,
       case when n %% 500 > 0 then n::text end, case when n %% 500 > 0 then 'created' end,
       case when n %% 500 > 0 then now() - interval '80 days' end
from generate_series(1, %(people)s) n
join integration i on i.tenant = %(tenant)s and (i.name = 'Seed 1' or n %% 3 = 0);

insert into placement (tenant, integration_id, account_id, enrolment_key, course_code, state, code, wanted, applied,
                       lms_course_id, provisioned_at, completed)
select a.tenant, a.integration_id, a.account_id, e.enrolment_key, e.course_code,
       case when bad then 'parked' else 'settled' end, case when bad then 'course_not_found' end, '{}',
       case when not bad then '{}'::jsonb end, '7', case when not bad then now() - interval '70 days' end, not bad
from account a
join enrolment e on e.tenant = a.tenant and e.employee_key = a.employee_key
cross join lateral (select e.course_code = 'C007' and a.account_id %% 3 > 0 as bad) b;

insert into inbox (event_key, body_sha256, body, body_size, source, event_id, type, subject, tenant, class, state,
                   received_at, settled_at)
select sha256(n::text::bytea), sha256(('body ' || n)::bytea),
       ('{"specversion": "1.0", "id": "event ' || n || '", "data": {"first_name": "Noor", "last_name": "Meer"}}')::bytea,
       90, '/hr/harbour', 'event ' || n, case when n %% 3 = 0 then 'hr.course_enrolment.changed.v1'
                                              else 'hr.employee.updated.v1' end,
       case when n %% 3 = 0 then 'EN-' || 1 + n %% (2 * %(people)s) else 'E-' || 1 + n %% %(people)s end, %(tenant)s,
       'event', case when n %% 50 = 0 then 'superseded' else 'applied' end,
       now() - interval '90 days' * (1 - n::float8 / %(events)s), now() - interval '90 days' * (1 - n::float8 / %(events)s)
from generate_series(1, %(events)s) n;

insert into timeline (tenant, integration_id, employee_key, enrolment_key, kind, data, at)
select %(tenant)s, (select min(integration_id) from integration), 'E-' || 1 + n %% %(people)s,
       case when n %% 2 = 0 then 'EN-' || 1 + n %% (2 * %(people)s) end,
       case when n %% 2 = 0 then 'enrolled' else 'account linked' end, '{"course": "7"}',
       now() - interval '90 days' * (1 - n::float8 / %(events)s)
from generate_series(1, %(events)s) n;

insert into outbox (tenant, event_id, type, body, published_at)
select %(tenant)s, 'out ' || n, 'lms.enrolment.provisioned.v1', '{}', now() from generate_series(1, %(people)s) n;

insert into result (result_id, tenant, integration_id, enrolment_key, employee_key, course_code, outcome, passed, completed_at,
                    synced_at, attempted_on, evidence, event_id)
select 'result ' || p.placement_id, p.tenant, p.integration_id, p.enrolment_key, a.employee_key, p.course_code, 'C', true,
       now() - interval '60 days', now() - interval '60 days', current_date - 60, '{}', 'told ' || p.placement_id
from placement p join account a using (account_id) where p.placement_id %% 4 = 0;

insert into lms_calls (integration_id, day, function, outcome, calls, items)
select i.integration_id, current_date - d, 'core_user_create_users', case when d %% 9 = 0 then 'lms_no_answer' else 'ok' end,
       100, 9000
from integration i cross join generate_series(1, 90) d;

insert into failure_group (tenant, integration_id, fingerprint, parts, code, subject_kind)
select %(tenant)s, min(integration_id), 'fp1:moodle|enrolment|not_found|course_not_found||' || n, '{}',
       'course_not_found', 'placement'
from integration, generate_series(0, %(other_causes)s) n group by n;

insert into failure (group_id, tenant, integration_id, subject_kind, subject_id, employee_key, code, first_at, resolved_at)
select g.group_id, g.tenant, g.integration_id, 'placement', p.placement_id::text, a.employee_key,
       'course_not_found', now() - interval '3 days', case when g.rank > 1 and n %% 5 = 0 then now() end
from (select p.*, row_number() over (order by placement_id) as n from placement p) p
join account a using (account_id)
join (select g.*, row_number() over (order by group_id) as rank from failure_group g) g
     on g.rank = case when n <= %(one_cause)s then 1 else 2 + n %% %(other_causes)s end
where n <= 6 * %(one_cause)s;
