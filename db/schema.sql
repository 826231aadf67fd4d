-- The whole truth for a new database. Idempotency is a unique index, a state machine is a check constraint,
-- and every scan for due work has a partial index named after it.

create sequence lease_token;  -- fencing tokens: one per claimed batch, always growing

-- Configuration -----------------------------------------------------------------------------------------------

create table tenant (
    tenant    text primary key check (length(tenant) between 1 and 255),
    added_at  timestamptz not null default now()
);

create table tenant_key (                            -- seals the tenant's secrets; wrapped by a key that is elsewhere
    tenant      text primary key references tenant,
    master_key  text not null,                       -- the name of the key that wraps it, not the key
    wrapped     bytea not null,
    made_at     timestamptz not null default now(),
    wrapped_at  timestamptz not null default now()
);

-- Whether this process has every master key that is needed, asked by who sees one tenant's rows only: names of keys, not
-- whose they are.
create function master_keys_in_use() returns table (master_key text)
language sql stable security definer set search_path = public, pg_temp as $$
    select distinct master_key from tenant_key
$$;

create table integration (
    integration_id    bigint generated always as identity primary key,
    tenant            text not null references tenant,
    name              text not null,
    url               text not null,
    -- One LMS serves one integration (R13): the address without what does not tell sites apart.
    url_key           text not null generated always as (lower(regexp_replace(url, '^https?://', ''))) stored,
    settings          jsonb not null,
    settings_version  integer not null default 1,
    token_sealed      bytea not null,
    password_sealed   bytea,
    webhook_sealed    bytea,                         -- signs the notices that are posted
    state             text not null default 'draft' check (state in ('draft', 'active', 'paused', 'quarantined', 'removed')),
    hold_code         text,
    hold_detail       text,
    held_since        timestamptz,
    resume_at         timestamptz,                   -- no call before: outages and requests to slow down
    outages           integer not null default 0,    -- in a row; reset by the first answer
    courses_seen_at   timestamptz,
    courses_retry_at  timestamptz,                   -- reading the courses failed; not before
    site_url          text,                          -- who the site said it was when it was last enabled (R69)
    site_name         text,
    checked_at        timestamptz,                   -- last self-check whose lines were kept
    added_at          timestamptz not null default now(),
    check ((state = 'quarantined') = (hold_code is not null))
);
-- A removed integration keeps its history; its name and its site are free again (R179).
create unique index integration_tenant_name_key on integration (tenant, name) where state <> 'removed';
create unique index integration_url_key on integration (url_key) where state <> 'removed';

create table integration_check (                     -- the last self-check, line by line
    integration_id  bigint not null references integration,
    name            text not null,
    position        integer not null,
    state           text not null check (state in ('ok', 'failed', 'warning', 'not checked')),
    detail          text not null default '',
    code            text not null default '',
    holds           text not null default '' check (holds in ('', 'results', 'create_users', 'update_users', 'enrol', 'join', 'everything')),
    since           timestamptz not null default now(),
    checked_at      timestamptz not null default now(),
    primary key (integration_id, name)
);

create table operation_hold (                        -- what the site refuses while everything else goes on (E3)
    integration_id  bigint not null references integration,
    operation       text not null check (operation in ('create_users', 'update_users', 'enrol', 'join')),
    code            text not null,
    since           timestamptz not null default now(),
    probe_at        timestamptz not null,            -- no call of this kind before
    primary key (integration_id, operation)
);

create table call_budget (                           -- the calls that an LMS which counts them has left for us
    integration_id  bigint primary key references integration,
    hour_limit      integer not null,
    hour_left       integer not null check (hour_left >= 0),
    resets_at       timestamptz not null,            -- the end of that hour, by our clock; the next one is asked for
    keeps           integer[] not null,              -- what each purpose leaves alone: domain.budget.PURPOSES
    crowded_until   timestamptz not null default now(),  -- when the calls of the last seconds no longer count
    slowed          smallint not null default 0 check (slowed between 0 and 2),  -- times that the pace was halved
    costs           double precision[] not null,     -- calls that an account of each urgency took lately
    for_accounts    integer not null default 0,      -- calls of this hour made for accounts
    others          integer not null default 0,      -- calls of the last hour that were not
    checked_at      timestamptz not null default now()  -- when the LMS told what is left
);

create table integration_settings (                  -- every version a decision may refer to
    integration_id  bigint not null references integration,
    version         integer not null,
    settings        jsonb not null,
    saved_at        timestamptz not null default now(),
    primary key (integration_id, version)
);

create table lms_course (                            -- what the LMS holds, as last seen
    integration_id  bigint not null references integration,
    lms_course_id   text not null,
    code            text not null,
    short_name      text not null,
    title           text not null,
    visible         boolean not null,
    tracks_completion boolean,
    category        text,                            -- its name there
    starts_at       timestamptz,
    told            jsonb,                           -- what HR knows: the data of the last lms.course.observed.v1
    told_by         text,                            -- that event's id
    problem         text,                            -- why HR is not told
    gone            boolean not null default false,  -- the LMS has it no more; kept, because HR has it
    first_seen_at   timestamptz not null default now(),
    opened_at       timestamptz,                     -- when HR was first told that it is active (R7)
    observed_at     timestamptz not null default now(),
    primary key (integration_id, lms_course_id),
    check ((told is null) = (told_by is null))
);
create index lms_course_by_code on lms_course (integration_id, code) where not gone;
create index lms_course_by_told_code on lms_course (integration_id, (told ->> 'code')) where not gone;

create table sync_run (                              -- one reading of everything of one kind
    run_id          bigint generated always as identity primary key,
    integration_id  bigint not null references integration,
    flow            text not null check (flow in ('people', 'enrolments', 'courses', 'results')),
    state           text not null default 'running' check (state in ('running', 'done', 'failed')),
    asked_by        text not null,
    enrolments      boolean not null default false,  -- write every enrolment again, too
    position        jsonb,                           -- how far the scan has come; null when it has nothing left to read
    expected        integer,                         -- people or enrolments to read, where that is known beforehand
    created         integer not null default 0,
    updated         integer not null default 0,
    skipped         integer not null default 0,
    failed          integer not null default 0,
    reasons         jsonb not null default '{}',     -- of what was skipped and what failed: code to count (R11)
    calls           integer not null default 0,
    code            text,                            -- why it failed, or what it waits for
    started_at      timestamptz not null default now(),
    done_at         timestamptz,
    check ((state = 'running') = (done_at is null)),
    check (position is null or done_at is null)
);
create unique index sync_run_open on sync_run (integration_id, flow) where done_at is null;
create index sync_run_last on sync_run (integration_id, flow, started_at);

create table scan (                                  -- whose turn it is to read on, and what the rolling scan has spent
    integration_id  bigint primary key references integration,
    due_at          timestamptz not null default now(),
    hour_began_at   timestamptz not null default now(),
    calls           integer not null default 0       -- in this hour
);
create index scan_due on scan (due_at);

create table flow_state (                            -- when each flow last worked, and last did not (R1)
    integration_id  bigint not null references integration,
    flow            text not null check (flow in ('people', 'courses', 'results')),
    succeeded_at    timestamptz,
    failed_at       timestamptz,
    code            text,                            -- of the last failure
    primary key (integration_id, flow)
);

create table lms_field (                             -- custom fields of the LMS, as far as a token could see them
    integration_id  bigint not null references integration,
    area            text not null check (area in ('user', 'course')),
    shortname       text not null,
    kind            text not null,                   -- in the LMS's own words
    name            text not null,
    options         text[],                          -- of a menu; null where they were not told
    observed_at     timestamptz not null default now(),
    gone            boolean not null default false,  -- seen once, and not the last time
    primary key (integration_id, area, shortname)
);

-- Messages ----------------------------------------------------------------------------------------------------

create table inbox (
    inbox_id     bigint generated always as identity primary key,
    event_key    bytea not null,                     -- SHA-256 of source and id: keys may be too long for an index
    body_sha256  bytea not null,
    body         bytea not null,                     -- the exact bytes; the head only when they are too many
    body_size    integer not null,
    attributes   jsonb,                              -- binary mode: the attributes that came as headers
    source       text,
    event_id     text,
    type         text,
    subject      text,
    tenant       text,
    trace_id     text,                               -- domain.traces: leads from the event through every log
    class        text not null check (class in ('event', 'conflict', 'poison', 'unknown')),
    state        text not null check (state in ('received', 'applied', 'superseded', 'failed', 'set_aside')),
    code         text,                               -- why it is poison, unknown, a conflict or failed
    detail       text,
    returned     boolean not null default false,     -- came by way of the dead queue
    duplicates   integer not null default 0,         -- how often the same bytes came again
    received_at  timestamptz not null default now(),
    settled_at   timestamptz,
    check ((class = 'event') = (state <> 'set_aside')),
    check ((state in ('failed', 'set_aside')) = (code is not null))
);
create unique index inbox_once on inbox (event_key, body_sha256);
create unique index inbox_event_once on inbox (event_key) where class = 'event';
create index inbox_due on inbox (tenant, inbox_id) where state = 'received';
create index inbox_by_subject on inbox using hash (subject);  -- hashed: a subject may be too long for a B-tree
create index inbox_set_aside on inbox (tenant, code) where state in ('failed', 'set_aside');

create table outbox (
    outbox_id     bigint generated always as identity primary key,
    tenant        text not null,
    event_id      text not null unique,              -- deterministic: a second write is impossible
    type          text not null,
    body          bytea not null,
    written_at    timestamptz not null default now(),
    published_at  timestamptz,
    problem       text
);
create index outbox_due on outbox (outbox_id) where published_at is null and problem is null;

-- Facts: what HR says now -------------------------------------------------------------------------------------

create table person (
    tenant        text not null references tenant,
    employee_key  text not null,
    data          jsonb not null,
    payroll       text,
    erased        boolean not null default false,
    sequence      text,
    occurred_at   timestamptz not null,
    event_id      text not null,
    trace_id      text,
    primary key (tenant, employee_key)
);
create index person_by_payroll on person (tenant, payroll, employee_key);

create table enrolment (
    tenant         text not null references tenant,
    enrolment_key  text not null,
    employee_key   text not null,
    course_code    text not null,
    data           jsonb not null,
    sequence       text,
    occurred_at    timestamptz not null,
    event_id       text not null,
    trace_id       text,
    primary key (tenant, enrolment_key)
);
create index enrolment_by_employee on enrolment (tenant, employee_key);
create index enrolment_by_course on enrolment (tenant, course_code, employee_key);

create table payroll (
    tenant       text not null references tenant,
    payroll      text not null,
    integration  text not null,                      -- empty: every integration that takes selected payrolls
    aspect       text not null check (aspect in ('scope', 'details')),
    enabled      boolean not null,
    data         jsonb not null,
    sequence     text,
    occurred_at  timestamptz not null,
    event_id     text not null,
    primary key (tenant, payroll, integration, aspect)
);

create table course (
    tenant       text not null references tenant,
    course_code  text not null,
    integration  text not null,
    data         jsonb not null,
    sequence     text,
    occurred_at  timestamptz not null,
    event_id     text not null,
    primary key (tenant, course_code, integration)
);

create table sweep (                                 -- people to look at again, chunk by chunk
    sweep_id      bigint generated always as identity primary key,
    tenant        text not null references tenant,
    payroll       text,                              -- null: everybody
    course_code   text,
    position      text not null default '',          -- the last employee_key done
    people        integer not null default 0,
    asked_at      timestamptz not null default now(),
    due_at        timestamptz not null default now() - interval '0.4 seconds',  -- of the next chunk; a few at once
    done_at       timestamptz
);
create index sweep_due on sweep (tenant, sweep_id) where done_at is null;

-- To look for an address without writing it. Immutable in truth, because our databases are in UTF-8.
create function email_hash(email_key text) returns bytea language sql immutable strict parallel safe as
$$ select sha256(convert_to(email_key, 'UTF8')) $$;

-- Wanted and real ---------------------------------------------------------------------------------------------

create table account (                               -- one person in one integration: the unit of claiming
    account_id        bigint generated always as identity primary key,
    tenant            text not null,
    integration_id    bigint not null references integration,
    employee_key      text not null,
    state             text not null check (state in ('due', 'settled', 'parked', 'waiting', 'out_of_scope', 'staged')),
    code              text,                          -- why it is parked, waiting, staged or out of scope
    wanted            jsonb,                         -- domain.accounts.WantedAccount
    applied           jsonb,                         -- the fields as last written, or as found before that
    external_key      text,                          -- of the wanted account, for look-ups and collisions
    email_key         text,
    email_sha256      bytea generated always as (email_hash(email_key)) stored,  -- to look for it without writing it
    username          text,                          -- reserved before it is used
    settings_version  integer not null,
    revision          integer not null default 1,    -- grows with every change of what is wanted
    lms_user_id       text,
    link              text check (link in ('created', 'lms_id', 'external_key', 'email', 'username', 'given')),
    linked_at         timestamptz,
    refused           text[] not null default '{}',  -- LMS users that a person said are somebody else
    suspended_at      timestamptz,                   -- when a suspension last passed the guard unasked
    due_at            timestamptz,
    urgency           smallint not null default 1 check (urgency between 0 and 2),  -- 0: leavers; 2: nobody waits for it
    attempts          integer not null default 0,    -- starts since the last success, counted at the start
    starts            integer not null default 0,    -- starts without an end
    first_attempt_at  timestamptz,
    held_for          text,                          -- the refused operation that it waits for
    doubt             smallint not null default 0,   -- look-ups still owed before a user may be made again
    lease_token       bigint,
    lease_until       timestamptz,
    sync_run          bigint,                        -- the run that this account has still to be counted in
    at_rest           boolean not null generated always as   -- linked, and nothing to be written: what a scan compares
                      (lms_user_id is not null and wanted is not null and applied is not null
                       and state in ('settled', 'out_of_scope')) stored,
    changed_at        timestamptz not null default now(),
    unique (integration_id, employee_key),
    check ((state in ('parked', 'waiting', 'out_of_scope', 'staged')) = (code is not null)),
    check ((link is null) = (lms_user_id is null)),
    check ((lease_token is null) = (lease_until is null))
);
create unique index account_username on account (integration_id, username) where username is not null;
create unique index account_lms_user on account (integration_id, lms_user_id) where lms_user_id is not null;
create index account_due on account (integration_id, starts, urgency, due_at) where due_at is not null;
create index account_by_email on account (integration_id, email_key);
create index account_by_email_hash on account (email_sha256);
create index account_by_external_key on account (integration_id, external_key);
create index account_scan on account (integration_id, account_id) where at_rest;
create index account_in_run on account (sync_run) where sync_run is not null;
create index account_by_code on account (integration_id, code) where code is not null;
create index account_held on account (integration_id, held_for) where held_for is not null;
create index account_suspended on account (integration_id, suspended_at) where suspended_at is not null;

-- When a pause or a quarantine ends, what has waited is done in the lanes of what nobody waits for: neither the LMS is
-- flooded nor does a new hire stand behind thousands. Leavers stay urgent.
create function let_held_work_wait() returns trigger language plpgsql as $$
begin
    update account a set urgency = 2
    from (select account_id from account
          where integration_id = new.integration_id and due_at <= now() and urgency = 1
          order by employee_key collate "C" for no key update) held
    where a.account_id = held.account_id;
    return null;
end $$;
create trigger held_work_waits after update of state on integration for each row
    when (old.state in ('paused', 'quarantined') and new.state = 'active') execute function let_held_work_wait();

create table placement (                             -- one enrolment in one integration
    placement_id      bigint generated always as identity primary key,
    tenant            text not null,
    integration_id    bigint not null references integration,
    account_id        bigint not null references account,
    enrolment_key     text not null,
    course_code       text not null,
    state             text not null check (state in ('due', 'settled', 'parked', 'not_wanted')),
    code              text,
    wanted            jsonb not null,                -- domain.enrolments.WantedPlacement
    applied           jsonb,                         -- the enrolment as last written
    revision          integer not null default 1,
    lms_course_id     text,
    decision          jsonb,                         -- the conditions as they were found, and the settings' version
    not_after         timestamptz,                   -- not provisioned any more after this (R124)
    provisioned_at    timestamptz,                   -- first time the LMS held it
    grouped           text,                          -- the key of the group that the person was put into for it
    group_due_at      timestamptz,                   -- putting them into the group is a step of its own (R131)
    group_code        text,                          -- why that is parked
    group_attempts    integer not null default 0,
    group_first_at    timestamptz,
    completed         boolean not null default false,
    finished_since    timestamptz,                   -- all done but not yet called complete by the LMS: first seen
    mark              jsonb,                         -- domain.lms.Mark when its units were last read; null: to be read
    read_at           timestamptz,                   -- when that was
    due_at            timestamptz,
    attempts          integer not null default 0,
    first_attempt_at  timestamptz,
    held_for          text,                          -- the refused operation that it waits for
    changed_at        timestamptz not null default now(),
    unique (integration_id, enrolment_key),
    check ((state in ('parked', 'not_wanted')) = (code is not null)),
    check ((state = 'due') = (due_at is not null)),
    check (group_due_at is null or group_code is null)
);
create index placement_by_account on placement (account_id);
create index placement_by_course on placement (integration_id, course_code) where state = 'parked';
create index placement_open on placement (integration_id, account_id) where provisioned_at is not null and not completed;
create index placement_held on placement (integration_id, held_for) where held_for is not null;
create index placement_scan on placement (integration_id, length(lms_course_id), lms_course_id) where provisioned_at is not null;
create index placement_by_lms_course on placement (integration_id, lms_course_id) where provisioned_at is not null;
create index placement_by_code on placement (integration_id, state, code) where state <> 'settled';

create table contact_log (                           -- that an enrolment was provisioned; the guard against a second time
    contact_id      bigint generated always as identity primary key,
    tenant          text not null,
    integration_id  bigint not null references integration,
    employee_key    text not null,
    enrolment_key   text not null,
    course_code     text not null,
    at              timestamptz not null default now(),
    text            text not null,
    deleted_at      timestamptz,                     -- taken back by a person: the enrolment is provisioned again (R137)
    deleted_by      text,
    reason          text,
    check ((deleted_at is null) = (deleted_by is null)),
    check ((deleted_at is null) = (reason is null))
);
create unique index contact_log_once on contact_log (integration_id, enrolment_key) where deleted_at is null;

create table guard (                                 -- more suspensions at once than pass unasked
    guard_id        bigint generated always as identity primary key,
    integration_id  bigint not null references integration,
    payroll         text not null,                   -- empty: people without one
    state           text not null default 'open' check (state in ('open', 'approved', 'rejected', 'undone')),
    counted         integer not null,                -- suspensions within the window when it tripped, these included
    "limit"         integer not null,
    opened_at       timestamptz not null default now(),
    decided_at      timestamptz,
    decided_by      text,
    reason          text,
    check ((state = 'open') = (decided_at is null)),
    check ((decided_at is null) = (decided_by is null)),
    check ((decided_at is null) = (reason is null))
);
create unique index guard_open on guard (integration_id, payroll) where state = 'open';

create table guard_item (                            -- whom it is about; the decision holds while HR says the same
    guard_id    bigint not null references guard,
    account_id  bigint not null references account,
    wanted      jsonb not null,
    primary key (guard_id, account_id)
);
create index guard_item_by_account on guard_item (account_id, guard_id);

create table finding (                               -- what somebody changed at the LMS, and what follows from it
    finding_id      bigint generated always as identity primary key,
    integration_id  bigint not null references integration,
    subject_kind    text not null check (subject_kind in ('account', 'enrolment')),
    subject_id      text not null,                   -- the account's id; of an enrolment LMS user and course
    field           text not null,                   -- empty: the user or the enrolment as a whole
    kind            text not null check (kind in ('changed_by_hand', 'missing', 'unknown', 'claimed_twice')),
    ours            jsonb,                           -- what was last written
    held            jsonb,                           -- what the LMS holds; both are personal and go when it is over
    state           text not null check (state in ('open', 'accepted', 'put_back')),
    employee_key    text,                            -- null: nobody whom HR has told us of
    lms_user_id     text not null,
    lms_course_id   text,
    times           integer not null default 1,      -- how many scans have seen it
    first_seen_at   timestamptz not null default now(),
    last_seen_at    timestamptz not null default now(),
    resolved_at     timestamptz,                     -- the same again, or of no interest any more
    decided_at      timestamptz,
    decided_by      text,
    reason          text,
    check ((subject_kind = 'enrolment') = (lms_course_id is not null)),
    check (kind <> 'unknown' or state <> 'put_back'),           -- ghosts are never touched (S15)
    check (resolved_at is null or (ours is null and held is null)),
    check ((state = 'open') = (decided_at is null)),
    check ((decided_at is null) = (decided_by is null)),
    check ((decided_at is null) = (reason is null))
);
create unique index finding_open on finding (integration_id, subject_kind, subject_id, field) where resolved_at is null;
create index finding_by_course on finding (integration_id, lms_course_id) where resolved_at is null;

-- Results -----------------------------------------------------------------------------------------------------

create view result_scope as                          -- the enrolments whose results are read unit by unit (R147)
select p.integration_id, p.placement_id, p.account_id, a.lms_user_id, p.lms_course_id, p.completed, p.mark, p.read_at
from placement p
join account a using (account_id)
join integration i on i.integration_id = p.integration_id
join person h on h.tenant = p.tenant and h.employee_key = a.employee_key
join enrolment e on e.tenant = p.tenant and e.enrolment_key = p.enrolment_key
left join course own on own.tenant = p.tenant and own.course_code = p.course_code and own.integration = i.name
left join course general on general.tenant = p.tenant and general.course_code = p.course_code and general.integration = ''
where p.provisioned_at is not null and a.lms_user_id is not null and p.lms_course_id is not null
  and not h.erased and h.data ->> 'status' in ('active', 'on_leave')
  and not coalesce(own.data ->> 'archived', general.data ->> 'archived', 'false')::boolean
  and e.data ->> 'booking_status' = 'confirmed'
  and e.data ->> 'status' = 'active';

create table result (                                -- the current result of one enrolment, or of one unit of it
    result_id       text primary key,
    tenant          text not null,
    integration_id  bigint not null references integration,
    enrolment_key   text not null,
    employee_key    text not null,
    course_code     text not null,
    unit_code       text not null default '',        -- as HR writes it; empty: the whole course
    outcome         text not null,
    passed          boolean not null,
    grade           numeric,
    completed_at    timestamptz,
    synced_at       timestamptz not null,
    attempted_on    date not null,
    origin          text not null default 'lms',
    evidence        jsonb not null,
    event_id        text not null,                   -- of the last announcement
    unique (integration_id, enrolment_key, unit_code)
);

create table result_event (                          -- append-only; the unique key makes a second announcement impossible
    event_id        text primary key,
    result_id       text not null references result,
    kind            text not null check (kind in ('recorded', 'corrected')),
    completion_key  text not null,
    corrects        text references result_event,    -- the event that told the result as it was before
    data            jsonb not null,
    recorded_at     timestamptz not null default now(),
    unique (result_id, completion_key),
    check ((kind = 'corrected') = (corrects is not null))
);

create table held_completion (                       -- completed in the LMS, but no result for now, and why
    held_id           bigint generated always as identity primary key,
    tenant            text not null,
    integration_id    bigint not null references integration,
    enrolment_key     text not null,
    employee_key      text not null,
    course_code       text not null,
    unit_key          text not null,                 -- without regard to case; empty: the whole course
    unit_code         text not null,                 -- as HR writes it, or the LMS where HR's course has no such unit
    reason            text not null check (reason in ('unmatched', 'earlier_attempt', 'hand_set')),
    completed_at      timestamptz,
    grade             numeric,
    evidence          jsonb not null,
    settings_version  integer not null,              -- what was decided on: once it changes, it is decided anew
    enrolment_event   text,
    course_event      text,
    first_seen_at     timestamptz not null default now(),
    last_seen_at      timestamptz not null default now(),
    resolved_at       timestamptz                    -- a result by now, or not completed any more
);
create unique index held_completion_open on held_completion (integration_id, enrolment_key, unit_key)
    where resolved_at is null;

create table poll_cursor (
    integration_id    bigint primary key references integration,
    due_at            timestamptz not null default now(),
    run               jsonb,                         -- the poll under way: plan and position
    full_at           timestamptz,                   -- when everything was last read
    regraded_at       timestamptz,                   -- when changed grades were last asked for
    regraded_until    timestamptz,                   -- and how far they are known
    attempts          integer not null default 0,
    lease_token       bigint,
    lease_until       timestamptz,
    polled_at         timestamptz,
    check ((lease_token is null) = (lease_until is null))
);
create index poll_due on poll_cursor (due_at);

-- People at work ----------------------------------------------------------------------------------------------

create table timeline (                              -- append-only: what was done and decided for a person
    timeline_id     bigint generated always as identity primary key,
    tenant          text not null,
    integration_id  bigint,
    employee_key    text,
    enrolment_key   text,
    kind            text not null,
    data            jsonb not null default '{}',
    at              timestamptz not null default now()
);
create index timeline_by_person on timeline (tenant, employee_key, timeline_id);

create table failure_group (                         -- failures of one cause; the list of failures reads these
    group_id        bigint generated always as identity primary key,
    tenant          text,                            -- null: messages that name none
    integration_id  bigint references integration,   -- null: messages, before anybody knows whom they concern
    fingerprint     text not null,                   -- domain.fingerprints; begins with the version of its rules
    parts           jsonb not null,                  -- what it was made of: why these are together
    code            text not null,
    subject_kind    text not null,
    detail          text not null default '',        -- of the first one, as a sample
    state           text not null default 'new'
                    check (state in ('new', 'acknowledged', 'snoozed', 'retrying', 'resolved', 'regressed')),
    snoozed_until   timestamptz,
    assigned_to     text,
    note            text not null default '',
    failures        integer not null default 0,      -- open ones, as last counted
    people          integer not null default 0,      -- whom those concern
    open_since      timestamptz,                     -- since the oldest of the open ones
    first_at        timestamptz not null default now(),
    last_at         timestamptz not null default now(),
    last_replay     bigint,
    regrouped_into  bigint[] not null default '{}',  -- where its failures are by the rules of a later version
    check ((state = 'snoozed') = (snoozed_until is not null)),
    check (state <> 'resolved' or failures = 0)
);
create unique index failure_group_once on failure_group (fingerprint, coalesce(integration_id, 0), coalesce(tenant, ''));
create index failure_group_open on failure_group (tenant, last_at) where failures > 0;

create table failure_group_history (                 -- append-only: what people and time did to a group
    group_id  bigint not null references failure_group,
    at        timestamptz not null default now(),
    who       text not null,
    what      text not null,
    reason    text not null default '',
    data      jsonb not null default '{}'
);
create index failure_group_history_by_group on failure_group_history (group_id, at);

create table failure_group_hour (                    -- failures opened, by hour: the trend
    group_id  bigint not null references failure_group,
    hour      timestamptz not null,
    opened    integer not null,
    primary key (group_id, hour)
);

create table failure (
    failure_id        bigint generated always as identity primary key,
    group_id          bigint not null references failure_group,
    tenant            text,
    integration_id    bigint references integration,
    subject_kind      text not null check (subject_kind in ('account', 'placement', 'membership', 'reading', 'inbox',
                                                            'integration', 'course', 'guard', 'payroll')),
    subject_id        text not null,
    employee_key      text,                          -- whom it concerns, where that is one person
    code              text not null,
    detail            text not null default '',
    times             integer not null default 1,
    first_at          timestamptz not null default now(),
    last_at           timestamptz not null default now(),
    resolved_at       timestamptz,
    -- Dismissed is one way to be resolved: a person decided that nothing needs to be done.
    dismissed_at      timestamptz,
    dismissed_by      text,
    dismissed_because text,
    restorable_until  timestamptz,
    check ((dismissed_at is null) = (dismissed_by is null)),
    check ((dismissed_at is null) = (dismissed_because is null)),
    check ((dismissed_at is null) = (restorable_until is null)),
    check (dismissed_at is null or resolved_at is not null)
);
create unique index failure_open on failure (subject_kind, subject_id, code) where resolved_at is null;
create index failure_by_code on failure (tenant, code) where resolved_at is null;
create index failure_by_group on failure (group_id, employee_key) where resolved_at is null;
create index failure_dismissed on failure (group_id) where dismissed_at is not null;

-- Groups are counted anew after whatever changed a failure, and not by those who change it: workers would wait for each
-- other at the one row of a common cause. Lines are only ever added here, and taken by whoever counts.
create table failure_touch (
    group_id  bigint not null,
    opened    integer not null
);

create function touch_failure_groups() returns trigger language plpgsql as $$
begin
    insert into failure_touch (group_id, opened)
    select group_id, case tg_op when 'INSERT' then count(*) else 0 end from changed group by group_id;
    return null;
end $$;
create trigger failure_opened after insert on failure
    referencing new table as changed for each statement execute function touch_failure_groups();
create trigger failure_changed after update on failure
    referencing new table as changed for each statement execute function touch_failure_groups();

create table replay (                                -- failures tried again, together and step by step
    replay_id       bigint generated always as identity primary key,
    tenant          text,
    integration_id  bigint references integration,   -- null: messages
    mode            text not null check (mode in ('resume', 're-evaluate')),
    selection       jsonb not null,                  -- what was asked for; times in it are instants
    digest          text not null,                   -- of the members and what they would be tried with
    members         integer not null check (members > 0),
    predicted       jsonb not null,                  -- members by what the preview said would come of them
    reason          text not null default '',
    per_minute      double precision not null check (per_minute > 0),
    rules           jsonb not null,                  -- domain.replays.Rules: the ladder, and when it stops
    state           text not null
                    check (state in ('unapproved', 'running', 'paused', 'stopped', 'cancelled', 'done')),
    why             text not null default '',        -- it is as it is
    created_by      text not null,
    created_at      timestamptz not null default now(),
    approval        boolean not null,                -- whether a second person has to agree
    approved_by     text,
    ladder_from     integer not null default 0,      -- items tried before the ladder began, at the last start
    next_at         timestamptz not null default now(),  -- no further items before
    ended_at        timestamptz,
    check ((state in ('stopped', 'cancelled', 'done')) = (ended_at is not null)),
    check (not approval or approved_by is not null or state in ('unapproved', 'cancelled')),
    check (approved_by is null or approved_by <> created_by)
);
create unique index replay_active on replay (coalesce(integration_id, 0), coalesce(tenant, ''))
    where state in ('unapproved', 'running', 'paused');
create index replay_running on replay (next_at) where state = 'running';
create index replay_by_digest on replay (digest, created_at);

create table replay_item (                           -- one member; frozen when the replay was made
    replay_id     bigint not null references replay,
    position      integer not null,                  -- oldest first, and each person's in order
    failure_id    bigint not null references failure,
    subject_kind  text not null,
    subject_id    text not null,
    employee_key  text,
    code          text not null,                     -- why it had failed
    predicted     text,                              -- what the preview said of it
    state         text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed', 'skipped')),
    outcome       text,                              -- what came of it
    -- Something else came of it than the preview said (J4).
    differs       boolean generated always as (coalesce(
                      state in ('done', 'failed') and predicted <> 'unknown'
                      and predicted <> case state when 'failed' then 'blocked' else outcome end, false)) stored,
    before        text,                              -- what the LMS was known to hold
    released_at   timestamptz,
    ended_at      timestamptz,
    primary key (replay_id, position),
    unique (replay_id, subject_kind, subject_id),
    check ((state in ('done', 'failed', 'skipped')) = (ended_at is not null)),
    check ((state in ('done', 'failed', 'skipped')) = (outcome is not null)),
    check (state in ('waiting', 'skipped') or released_at is not null)
);
create index replay_item_waiting on replay_item (replay_id, position) where state = 'waiting';
create index replay_item_running on replay_item (replay_id, position) where state = 'running';
create index replay_item_ended on replay_item (replay_id, ended_at, position) where ended_at is not null;

create table notice (                                -- what people are told; a row until it was sent or given up
    notice_id       bigint generated always as identity primary key,
    key             text not null,                   -- of what it tells; a second one of that is impossible
    channel         text not null check (channel in ('mail', 'webhook')),
    tenant          text,
    integration_id  bigint references integration,
    kind            text not null check (kind in ('quarantine', 'quarantine changed', 'failure group')),
    group_id        bigint references failure_group,
    code            text not null,
    detail          text not null default '',
    written_at      timestamptz not null default now(),
    due_at          timestamptz default now(),       -- null: nothing is left to do
    attempts        integer not null default 0,      -- counted at the start
    sent_at         timestamptz,
    problem         text,                            -- why it was not sent, or not yet
    unique (key, channel),
    check (sent_at is null or due_at is null)
);
create index notice_due on notice (due_at) where due_at is not null;

create table heartbeat (                             -- when each loop of our processes last got through a turn
    loop       text primary key,                     -- runtime.liveness.LOOPS; of several processes' the latest
    turned_at  timestamptz not null
);

create table lms_calls (                             -- cost is counted in LMS calls
    integration_id  bigint not null references integration,
    day             date not null,
    function        text not null,
    outcome         text not null,
    calls           bigint not null,
    items           bigint not null,
    primary key (integration_id, day, function, outcome)
);

-- Access ------------------------------------------------------------------------------------------------------

create table operator (                              -- who may act for a tenant through the API
    operator_id  bigint generated always as identity primary key,
    tenant       text not null references tenant,
    name         text not null check (name ~ '^[^[:cntrl:]]{1,100}$'),
    role         text not null check (role in ('viewer', 'support', 'operator', 'integrator', 'auditor', 'admin')),
    added_at     timestamptz not null default now(),
    removed_at   timestamptz
);
create unique index operator_name on operator (tenant, name) where removed_at is null;

create table api_token (
    token_id      text primary key,
    tenant        text not null references tenant,   -- the one that it may act for
    operator_id   bigint not null references operator,
    name          text not null,                     -- what it is for
    scopes        text[] not null,                   -- permissions; those that the role has, too, count
    secret_hash   bytea not null check (length(secret_hash) = 32),  -- SHA-256 of 256 random bits
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    last_used_at  timestamptz,                       -- to the minute
    revoked_at    timestamptz,
    check (expires_at <= created_at + interval '366 days')
);
create index api_token_by_operator on api_token (operator_id) where revoked_at is null;

-- The one way to a token before the tenant is known: whoever has its secret learns whose it is, and nobody else anything.
create function token_holder(wanted_id text, wanted_hash bytea)
returns table (tenant text, name text, role text, scopes text[])
language sql security definer set search_path = public, pg_temp as $$
    with found as (
        select t.token_id, t.tenant, o.name, o.role, t.scopes, t.last_used_at
        from api_token t join operator o using (operator_id)
        where t.token_id = wanted_id and t.secret_hash = wanted_hash and t.revoked_at is null
          and t.expires_at > now() and o.removed_at is null
    ), used as (
        update api_token t set last_used_at = now() from found
        where t.token_id = found.token_id and coalesce(found.last_used_at, '-infinity') < now() - interval '1 minute'
    )
    select found.tenant, found.name, found.role, found.scopes from found
$$;

create table idempotent (                            -- requests that may come twice, and what was answered
    tenant      text not null references tenant,
    token_id    text not null references api_token,
    key         text not null,
    request     bytea not null,                      -- SHA-256 of what was asked
    status      integer,                             -- null while it is under way
    body        jsonb,
    begun_at    timestamptz not null default now(),
    primary key (token_id, key)
);
create index idempotent_by_age on idempotent (begun_at);

-- Audit -------------------------------------------------------------------------------------------------------

create table audit_chain (                           -- where each tenant's chain ends; kept by the trigger below
    tenant  text primary key,                        -- empty: the installation's own
    number  bigint not null,
    hash    bytea not null
);

create table audit (                                 -- append-only: what people did
    audit_id    bigint generated always as identity primary key,
    number      bigint not null,                     -- within the tenant's chain
    at          timestamptz not null,
    tenant      text,                                -- null: the installation as a whole
    actor       text not null,
    role        text not null,
    source      text not null check (source in ('cli', 'api', 'console')),
    action      text not null check (action ~ '^[a-z]+:[a-z]+:[a-z]+$'),
    target      text not null,
    before      jsonb,
    after       jsonb,
    reason      text not null,
    outcome     text not null check (outcome <> ''),
    request_id  text not null,
    operation   bigint references audit,             -- this is one item of it
    previous    bytea not null,                      -- the hash of the entry before it
    hash        bytea not null
);
create unique index audit_in_order on audit (coalesce(tenant, ''), number);
create index audit_by_target on audit (target, audit_id);
create index audit_by_operation on audit (operation, audit_id) where operation is not null;

create function audit_content(entry audit) returns text language sql stable as $$  -- exactly what a hash covers
    select jsonb_build_array(
        entry.audit_id, entry.number, to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry.tenant,
        entry.actor, entry.role, entry.source, entry.action, entry.target, entry.before, entry.after, entry.reason,
        entry.outcome, entry.request_id, entry.operation)::text
$$;

-- Number, time and hash are the database's, whoever inserts: an application can append, and no more than that.
create function audit_append() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into audit_chain values (coalesce(new.tenant, ''), 1, '')
    on conflict (tenant) do update set number = audit_chain.number + 1
    returning number, hash into new.number, new.previous;
    new.at := clock_timestamp();
    new.hash := sha256(new.previous || convert_to(audit_content(new), 'UTF8'));
    update audit_chain set hash = new.hash where tenant = coalesce(new.tenant, '');
    return new;
end
$$;
create trigger audit_append before insert on audit for each row execute function audit_append();

-- What people look at is counted as it is written, because counting a million rows takes a second. Lines are only ever
-- added here, by whatever statement changes a row, so that nobody waits for anybody; now and then they are summed up.
create table tally (
    what            text not null,                   -- the table
    tenant          text,
    integration_id  bigint,
    label           text not null,                   -- a state with its code, or something that is true of a row
    n               bigint not null
);

create function keep_tally() returns trigger language plpgsql as $$
-- Arguments: whose a row is, and what it counts as, both in SQL over its columns.
declare
    changes text := 'select *, 1 as sign from new_rows';
begin
    if tg_op = 'UPDATE' then
        changes := changes || ' union all select *, -1 from old_rows';
    end if;
    execute format('insert into tally select %L, %s, label, sum(n * sign) from (%s) c cross join lateral (%s) l (label, n)'
                   ' group by 2, 3, 4 having sum(n * sign) <> 0', tg_table_name, tg_argv[0], changes, tg_argv[1]);
    return null;
end $$;

create trigger inbox_counted after insert on inbox referencing new table as new_rows for each statement
    execute function keep_tally('tenant, null::bigint', 'values (class || '' '' || state, 1)');
create trigger inbox_counted_anew after update on inbox
    referencing new table as new_rows old table as old_rows for each statement
    execute function keep_tally('tenant, null::bigint', 'values (class || '' '' || state, 1), (''duplicates'', duplicates)');

create trigger account_counted after insert on account referencing new table as new_rows for each statement
    execute function keep_tally('tenant, integration_id', 'values (concat_ws('' '', state, code), 1),
                                (''linked'', (lms_user_id is not null)::int)');
create trigger account_counted_anew after update on account
    referencing new table as new_rows old table as old_rows for each statement
    execute function keep_tally('tenant, integration_id', 'values (concat_ws('' '', state, code), 1),
                                (''linked'', (lms_user_id is not null)::int)');

create trigger placement_counted after insert on placement referencing new table as new_rows for each statement
    execute function keep_tally('tenant, integration_id', 'values (concat_ws('' '', state, code), 1),
                                (''provisioned'', (provisioned_at is not null)::int), (''completed'', completed::int)');
create trigger placement_counted_anew after update on placement
    referencing new table as new_rows old table as old_rows for each statement
    execute function keep_tally('tenant, integration_id', 'values (concat_ws('' '', state, code), 1),
                                (''provisioned'', (provisioned_at is not null)::int), (''completed'', completed::int)');

create trigger outbox_counted after insert on outbox referencing new table as new_rows for each statement
    execute function keep_tally('tenant, null::bigint', 'values (case when published_at is not null then ''published''
                                when problem is not null then ''unroutable'' else ''waiting'' end, 1)');
create trigger outbox_counted_anew after update on outbox
    referencing new table as new_rows old table as old_rows for each statement
    execute function keep_tally('tenant, null::bigint', 'values (case when published_at is not null then ''published''
                                when problem is not null then ''unroutable'' else ''waiting'' end, 1)');
