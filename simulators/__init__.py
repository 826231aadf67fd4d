"""
Simulated learning systems: they answer like the real ones, fail on command, and write down what they did.

In process, for tests (`Request` in, `Response` out):

    from simulators.moodle import ENDPOINT, moodle_site
    site = moodle_site(courses=20, token="t", users=[{"username": "ann", "idnumber": "E-1", "email": "a@example.org"}])
    response = site(Request("POST", ENDPOINT, headers={...}, body=b"wstoken=t&..."))

    from simulators.talentlms import API_KEY, basic, talent_site
    site = talent_site(courses=20, groups=20, users=[{"login": "ann", "custom_field_1": "E-1"}])
    response = site(Request("GET", "/api/v1/users/username:ann", headers={"Authorization": basic(API_KEY)}))

Over HTTP: `with serve(site) as url:` (simulators.server), or `python -m simulators.server --lms talentlms`.
Faults: `site.faults.add(Fault("core_user_create_users", nth=1, commit="before", close="reset"))`.
What happened: `site.ledger.effects("user created")`, `site.ledger.calls()`.
People learning: `Learners(site).complete("E-1", "C001", grade=90); site.run_cron()` in Moodle,
`TalentLearners(site).finish("ann", "C001")` in TalentLMS.

May import the standard library only; nothing of the product imports it.
"""
