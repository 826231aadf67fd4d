from db.pool import Pool
from simulators.clock import MovableClock
from simulators.talentlms import Settings, talent_site
from tests.support.builders import hires, hired, enrolled, terminated
from tests.support.workbench import Workbench

def test_smoke(pool: Pool) -> None:
    clock = MovableClock()
    site = talent_site(clock=clock, courses=3, settings=Settings(calls_per_hour=100))
    bench = Workbench(pool, site, )
    bench.tell(*hires(30, "C001"))
    for _ in range(40):
        bench.provision()
        print(bench.rows("select hour_limit, hour_left, resets_at - now() as r, greatest(crowded_until-now(),'0') c, keeps, costs, slowed, for_accounts, others from call_budget"), bench.rows("select state, count(*), max(due_at-now()) d from account group by 1"), bench.failures())
        bench.pass_time(seconds=5); clock.advance(5)
    from collections import Counter
    print(Counter((c["function"], c["status"]) for c in site.ledger.calls()))
    assert 0
