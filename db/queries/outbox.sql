-- name: take_due
-- Locks the oldest events that wait to be published, passing over those that another relay has.
select outbox_id, event_id, type, body
from outbox
where published_at is null and problem is null
order by outbox_id
limit %(limit)s
for update skip locked;

-- name: mark_published
-- Notes that the broker has them.
update outbox set published_at = now() where outbox_id = any(%(outbox_ids)s);

-- name: set_aside
-- Takes them out of the queue until somebody has seen to the problem.
update outbox set problem = %(problem)s where outbox_id = any(%(outbox_ids)s);

-- name: send_again
-- Puts back what was set aside for a problem.
update outbox set problem = null where problem = %(problem)s and published_at is null;
