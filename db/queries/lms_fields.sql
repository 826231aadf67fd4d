-- name: lms_fields
-- The fields that the site was last seen with.
select area, shortname, kind, name, options, gone from lms_field
where integration_id = %(integration_id)s order by area, name, shortname;

-- name: save_lms_fields
-- What was seen just now.
insert into lms_field as f (integration_id, area, shortname, kind, name, options)
select %(integration_id)s, u.area, u.shortname, u.kind, u.name,
       case when u.options is not null then array(select jsonb_array_elements_text(u.options::jsonb)) end
from unnest(%(areas)s::text[], %(shortnames)s::text[], %(kinds)s::text[], %(names)s::text[], %(options)s::text[])
     as u(area, shortname, kind, name, options)
on conflict (integration_id, area, shortname) do update
set kind = excluded.kind, name = excluded.name, options = excluded.options, observed_at = now(), gone = false;

-- name: lose_lms_fields
-- What was not seen any more stays on record, because a map may still name it.
update lms_field f set gone = true
from unnest(%(areas)s::text[], %(shortnames)s::text[]) as u(area, shortname)
where f.integration_id = %(integration_id)s and f.area = u.area and f.shortname = u.shortname;

-- name: linked_users
-- Some users of the LMS that are ours, the latest first: they have most of what we write.
select lms_user_id from account
where integration_id = %(integration_id)s and lms_user_id is not null
order by linked_at desc, account_id desc limit %(most)s;

-- name: some_keys
-- Some people's keys, as the LMS may know them before anybody is linked.
select distinct external_key from account
where integration_id = %(integration_id)s and external_key is not null
order by external_key limit %(most)s;

-- name: person_values
-- The different values that HR's people hold in one of their fields.
select distinct btrim(data #>> %(path)s::text[]) as value from person
where tenant = %(tenant)s and not erased and btrim(data #>> %(path)s::text[]) <> ''
order by value limit %(most)s;

-- name: payroll_values
-- The different values that HR's payrolls hold in one of their fields.
select distinct btrim(data #>> %(path)s::text[]) as value from payroll
where tenant = %(tenant)s and btrim(data #>> %(path)s::text[]) <> ''
order by value limit %(most)s;
