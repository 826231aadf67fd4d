-- name: tenants_due
-- Tenants with stored events to apply or people to look at again.
select tenant from inbox where state = 'received' and tenant is not null
union
select tenant from sweep where done_at is null;

-- name: provisions_due
-- Integrations with accounts due that nobody works on, and quarantined ones whose next probe is due.
select i.integration_id from integration i
where (i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
       and exists (select from account a
                   where a.integration_id = i.integration_id and a.due_at <= now()
                     and (a.lease_until is null or a.lease_until < now())))
   or (i.state = 'quarantined' and i.resume_at <= now());

-- name: polls_due
-- Integrations whose completions are to be read.
select c.integration_id from poll_cursor c join integration i using (integration_id)
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and c.due_at <= now() and (c.lease_until is null or c.lease_until < now());

-- name: catalogues_due
-- Integrations whose courses were not read lately, sooner when an enrolment waits for one.
select i.integration_id from integration i
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and (i.courses_seen_at is null or i.courses_seen_at < now() - interval '1 day'
       or (i.courses_seen_at < now() - interval '15 minutes'
           and exists (select from placement p where p.integration_id = i.integration_id and p.state = 'parked'
                       and p.code = 'course_not_found')));
