-- The whole truth for a new database. Idempotency is a unique index, a state machine is a check constraint,
-- and every scan for due work has a partial index named after it.

create sequence lease_token;  -- fencing tokens: one per claimed batch, always growing

-- Configuration -----------------------------------------------------------------------------------------------

create table tenant (
    tenant    text primary key check (length(tenant) between 1 and 255),
    added_at  timestamptz not null default now()
);

create table integration (
    integration_id    bigint generated always as identity primary key,
    tenant            text not null references tenant,
    name              text not null,
    url               text not null unique,          -- one LMS serves one integration (R13)
    settings          jsonb not null,
    settings_version  integer not null default 1,
    token_sealed      bytea not null,
    password_sealed   bytea,
    state             text not null default 'draft' check (state in ('draft', 'active', 'paused', 'quarantined')),
    hold_code         text,
    hold_detail       text,
    held_since        timestamptz,
    resume_at         timestamptz,                   -- no call before: outages and requests to slow down
    outages           integer not null default 0,    -- in a row; reset by the first answer
    courses_seen_at   timestamptz,
    added_at          timestamptz not null default now(),
    unique (tenant, name),
    check ((state = 'quarantined') = (hold_code is not null))
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
    observed_at     timestamptz not null default now(),
    primary key (integration_id, lms_course_id)
);
create index lms_course_by_code on lms_course (integration_id, code);

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
create index inbox_set_aside on inbox (tenant, code) where state in ('failed', 'set_aside');

create table outbox (
    outbox_id     bigint generated always as identity primary key,
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
    done_at       timestamptz
);
create index sweep_due on sweep (tenant, sweep_id) where done_at is null;

-- Wanted and real ---------------------------------------------------------------------------------------------

create table account (                               -- one person in one integration: the unit of claiming
    account_id        bigint generated always as identity primary key,
    tenant            text not null,
    integration_id    bigint not null references integration,
    employee_key      text not null,
    state             text not null check (state in ('due', 'settled', 'parked', 'waiting', 'out_of_scope')),
    code              text,                          -- why it is parked, waiting or out of scope
    wanted            jsonb,                         -- domain.accounts.WantedAccount
    applied           jsonb,                         -- the fields the LMS is known to hold
    external_key      text,                          -- of the wanted account, for look-ups and collisions
    email_key         text,
    username          text,                          -- reserved before it is used
    settings_version  integer not null,
    revision          integer not null default 1,    -- grows with every change of what is wanted
    lms_user_id       text,
    link              text check (link in ('created', 'external_key', 'email', 'given')),
    linked_at         timestamptz,
    due_at            timestamptz,
    urgency           smallint not null default 1 check (urgency between 0 and 2),
    attempts          integer not null default 0,    -- starts since the last success, counted at the start
    starts            integer not null default 0,    -- starts without an end
    first_attempt_at  timestamptz,
    doubt             smallint not null default 0,   -- look-ups still owed before a user may be made again
    lease_token       bigint,
    lease_until       timestamptz,
    changed_at        timestamptz not null default now(),
    unique (integration_id, employee_key),
    check ((state in ('parked', 'waiting', 'out_of_scope')) = (code is not null)),
    check ((link is null) = (lms_user_id is null)),
    check ((lease_token is null) = (lease_until is null))
);
create unique index account_username on account (integration_id, username) where username is not null;
create unique index account_lms_user on account (integration_id, lms_user_id) where lms_user_id is not null;
create index account_due on account (integration_id, starts, urgency, due_at) where due_at is not null;
create index account_by_email on account (integration_id, email_key);
create index account_by_external_key on account (integration_id, external_key);
create index account_by_code on account (integration_id, state, code) where state <> 'settled';

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
    provisioned_at    timestamptz,                   -- first time the LMS held it
    completed         boolean not null default false,
    finished_since    timestamptz,                   -- all done but not yet called complete by the LMS: first seen
    due_at            timestamptz,
    attempts          integer not null default 0,
    first_attempt_at  timestamptz,
    changed_at        timestamptz not null default now(),
    unique (integration_id, enrolment_key),
    check ((state in ('parked', 'not_wanted')) = (code is not null)),
    check ((state = 'due') = (due_at is not null))
);
create index placement_by_account on placement (account_id);
create index placement_by_course on placement (integration_id, course_code) where state = 'parked';
create index placement_open on placement (integration_id, account_id) where provisioned_at is not null and not completed;
create index placement_by_code on placement (integration_id, state, code) where state <> 'settled';

-- Results -----------------------------------------------------------------------------------------------------

create table result (                                -- the current result of one enrolment
    result_id       text primary key,
    tenant          text not null,
    integration_id  bigint not null references integration,
    enrolment_key   text not null,
    employee_key    text not null,
    course_code     text not null,
    unit_code       text not null default '',
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
    data            jsonb not null,
    recorded_at     timestamptz not null default now(),
    unique (result_id, completion_key)
);

create table poll_cursor (
    integration_id    bigint primary key references integration,
    due_at            timestamptz not null default now(),
    run               jsonb,                         -- the poll under way: plan and position
    full_at           timestamptz,                   -- when everything was last read
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

create table failure (
    failure_id      bigint generated always as identity primary key,
    tenant          text,
    integration_id  bigint references integration,
    subject_kind    text not null check (subject_kind in ('account', 'placement', 'inbox', 'integration', 'course')),
    subject_id      text not null,
    code            text not null,
    detail          text not null default '',
    times           integer not null default 1,
    first_at        timestamptz not null default now(),
    last_at         timestamptz not null default now(),
    resolved_at     timestamptz
);
create unique index failure_open on failure (subject_kind, subject_id, code) where resolved_at is null;
create index failure_by_code on failure (tenant, code) where resolved_at is null;

create table lms_calls (                             -- cost is counted in LMS calls
    integration_id  bigint not null references integration,
    day             date not null,
    function        text not null,
    outcome         text not null,
    calls           bigint not null,
    items           bigint not null,
    primary key (integration_id, day, function, outcome)
);
