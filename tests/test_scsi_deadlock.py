"""The SCSI deadlock: the rows of the facts, the invariants, and the same kernel code run another way."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import chapter
from vmteach.cases import score
from vmteach.cases.scsi_deadlock import scenario_of
from vmteach.figures import scsi_deadlock as figure
from vmteach.figures.titles import kernel
from vmteach.kernel.interleavings import explore
from vmteach.kernel.lockorder import cycle, lock_order
from vmteach.kernel.threads import Stepped, Waited, replay
from vmteach.machine import PRESETS
from vmteach.patches.scsi_deadlock import (
    CONTROLS,
    PATCHED,
    POLICIES,
    UNPATCHED,
    Policy,
    Scenario,
    dispatcher,
    explored,
    found,
    left_waiting,
    over_cpus,
    program,
    scsi_restart_operations,
    simulate,
)
from vmteach.tables import read_cases

SETTINGS = settings(max_examples=60, deadline=None, print_blob=True)
LATER, MAINLINE = "patched (form 2)", "mainline (one lock)"
FIXED = (PATCHED, LATER, MAINLINE)


def scenario(cpus: int, dispatchers: int, disks: int, **more) -> Scenario:
    machine = replace(PRESETS["8 GB"], cpus=cpus)
    return Scenario(machine=machine, dispatchers=dispatchers, disks=disks, **more)


@st.composite
def scenarios(draw, **fixed):
    disks = draw(st.integers(1, 2))
    values = {
        "commands": draw(st.integers(0, 2)),
        "can_queue": draw(st.integers(1, 3)),
        "blocked": draw(st.frozensets(st.integers(0, disks - 1))),
        **fixed,
    }
    return scenario(draw(st.integers(1, 4)), draw(st.integers(0, 2)), disks, **values)


policies = st.sampled_from(list(POLICIES))


def test_claim():
    """A deadlock is reachable before and unreachable after, in any order of all steps."""
    before, after = (explored(scenario(4, 2, 2), POLICIES[key]) for key in (UNPATCHED, PATCHED))
    assert before.deadlocked and before.lost
    assert not after.deadlocked and not after.lost and after.ends
    assert cycle(lock_order(before.program.threads)) and not cycle(lock_order(after.program.threads))


# ---- the rows of the facts ----

ROWS = [
    pytest.param((2, 1, 1), UNPATCHED, True, id="row1"),
    pytest.param((4, 3, 3), UNPATCHED, True, id="row3"),
    pytest.param((2, 1, 1), PATCHED, False, id="row4"),
    pytest.param((4, 3, 3), PATCHED, False, id="row5"),
    pytest.param((4, 3, 3), LATER, False, id="row6"),
    *(pytest.param((2, 0, disks), UNPATCHED, False, id=f"row7-{disks}-disks") for disks in (1, 2, 3, 4)),
    pytest.param((1, 1, 1), UNPATCHED, False, id="row8"),
    *(pytest.param((cpus, 3, 3), MAINLINE, False, id=f"row9-{cpus}-cpus") for cpus in (1, 2, 4, 8)),
]


@pytest.mark.parametrize(("size", "policy", "deadlock"), ROWS)
def test_the_facts_say_whether_a_deadlock_is_reachable(size, policy, deadlock):
    seen = found(scenario(*size), POLICIES[policy])
    assert bool(seen.deadlocked) == bool(seen.shortest) == deadlock


def test_row3_has_several_deadlocked_states():
    states = explored(scenario(4, 3, 3), POLICIES[UNPATCHED]).deadlocked
    assert len(states) == 13
    assert {disk for s in states for held in s.held[:3] for disk in held if disk != "H"} == {"Q0", "Q1", "Q2"}


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED, LATER], ids="row10-{}".format)
def test_a_dispatcher_that_comes_during_recovery_leaves_at_step_2(policy):
    early = program(scenario(2, 1, 1), POLICIES[policy])
    events = replay(early, ["R0"] * 3, onward=True)
    assert [e.at for e in events if e.thread == "R0"] == ["R1", "R2", "R9"]
    assert [e.at for e in events if e.thread == "E"][-1] in ("E9", "E4.0")
    assert not any(isinstance(e, Waited) for e in events)


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED, MAINLINE], ids=["row11-before", "row11-form1", "row9-liveness"])
@pytest.mark.parametrize("dispatchers", [0, 2])
def test_the_loop_left_at_a_blocked_disk_forgets_those_behind_it(policy, dispatchers):
    case = scenario(4, dispatchers, 2, blocked=frozenset({0}))
    ends = explored(case, POLICIES[policy]).ends
    assert (1,) in {left_waiting(end.data, case.blocked) for end in ends}
    assert found(case, POLICIES[policy]).waiting == 1


@pytest.mark.parametrize("dispatchers", [0, 2], ids="row12-{}-dispatchers".format)
def test_form_2_tries_both_disks_and_disk_1_runs(dispatchers):
    case = scenario(4, dispatchers, 2, blocked=frozenset({0}))
    seen = explored(case, POLICIES[LATER])
    assert {end.data.queued for end in seen.ends} == {(1, 0)}
    tried = {e.at for e in replay(seen.program, ["E"] * 20)}
    assert {"E3.0 R3", "E3.1 R3"} <= tried


# ---- the invariants ----


@SETTINGS
@given(scenarios(), st.sampled_from(FIXED))
def test_i1_the_fixed_kernels_have_no_deadlock_anywhere(case, policy):
    seen = found(case, POLICIES[policy])
    assert (seen.deadlocked, seen.lost, seen.shortest) == (0, 0, ())


@SETTINGS
@given(scenarios(), policies)
def test_i2_no_cycle_in_the_lock_order_means_no_deadlock(case, policy):
    seen = explored(case, POLICIES[policy])
    orders = lock_order(seen.program.threads)
    pairs = {(o.held[0], o.wanted[0]) for o in orders}
    assert pairs == {UNPATCHED: {("Q", "H"), ("H", "Q")}, MAINLINE: set()}.get(policy, {("Q", "H")})
    assert seen.order <= orders
    assert cycle(orders) or not seen.deadlocked
    assert bool(cycle(orders)) == (policy == UNPATCHED)


@SETTINGS
@given(scenarios(), policies)
def test_i3_only_form_2_runs_every_disk_that_can_run(case, policy):
    seen = found(case, POLICIES[policy])
    if policy == LATER:
        assert seen.waiting == 0
    elif case.can_queue >= case.commands * case.disks:  # a host that is never full
        behind = set(range(min(case.blocked, default=case.disks), case.disks)) - case.blocked
        assert seen.waiting == (len(behind) if case.commands else 0)


@SETTINGS
@given(scenarios(), policies)
def test_i4_every_lock_is_free_at_the_end(case, policy):
    seen = explored(case, POLICIES[policy])
    assert seen.ends and "lock kept" not in seen.first
    assert not any(held for end in seen.ends for held in end.held)


@SETTINGS
@given(scenarios(), policies)
def test_i5_busy_stays_between_0_and_can_queue(case, policy):
    def out_of_bounds(state):
        return "" if 0 <= state.data.busy <= case.can_queue else "busy"

    seen = explore(program(case, POLICIES[policy]), out_of_bounds)
    assert "busy" not in seen.first
    sent = {end.data.busy + sum(end.data.queued) for end in seen.ends}
    assert sent == {case.commands * case.disks}  # no command is lost or sent twice


def test_a_host_that_is_full_marks_a_disk_starved_only_if_it_has_no_command_out():
    """Disk 0 has one out, and its completion will dispatch it again; disk 1 has none."""
    case = scenario(2, 0, 2, commands=2, can_queue=1)
    (end,) = explored(case, POLICIES[LATER]).ends
    assert (end.data.busy, end.data.queued, end.data.out) == (1, (1, 2), (1, 0))
    assert end.data.starved == (False, True)
    assert left_waiting(end.data) == ()


def test_a_host_without_a_limit_is_never_full():
    (end,) = explored(scenario(2, 0, 2, commands=4, can_queue=0), POLICIES[LATER]).ends
    assert (end.data.busy, end.data.queued) == (8, (0, 0))


# ---- the kernel's own functions ----

KERNEL = read_cases("scsi_deadlock-interleavings")
FEW = 600  # states: the large rows are asked in the long run


def small(row):
    return row["states"] <= FEW


@pytest.mark.parametrize("only", [small, pytest.param(lambda row: not small(row), marks=pytest.mark.deep)])
def test_every_row_of_red_hats_own_functions(only):
    """Verdict, shortest way, who waits for whom, the number of deadlocked states and all ends."""
    found = score("scsi_deadlock-interleavings", only)
    assert found.equal == found.asked > 100
    assert found.outside == ()


def test_a_deadlock_needs_a_dispatcher_a_command_and_a_first_disk_that_is_not_blocked():
    for row in KERNEL:
        needed = row["dispatchers"] > 0 and row["commands"] > 0 and 0 not in row["blocked"]
        assert (row["deadlocked_states"] > 0) == needed
        if row["states"] <= 200:
            assert bool(found(scenario_of(row), POLICIES[UNPATCHED]).deadlocked) == needed


@pytest.mark.parametrize("label", FIXED)
def test_on_the_same_scenarios_no_other_kernel_has_a_deadlock(label):
    assert not any(found(scenario_of(row), POLICIES[label]).deadlocked for row in KERNEL if row["states"] <= 200)


# ---- the same kernel code another way: plain generators, run from scratch for each schedule ----


class Hung(Exception):
    """Every thread that is left waits for a lock."""


def request_fn(host, q):
    """Dispatch with Q held, as plain code; a `yield` asks for a lock or lets others run."""
    while not host["recovery"] and host[q]:
        yield "H"
        host["busy"] += 1
        host["owner"].pop("H")
        host[q] -= 1
        host["owner"].pop(q)
        yield q
    return


def dispatch(host, q):
    yield q
    yield ""
    yield from request_fn(host, q)
    host["owner"].pop(q)


def restart_before(host, disks):
    host["recovery"] = False
    yield "H"
    for q in disks:
        yield q
        host["owner"].pop("H")
        yield from request_fn(host, q)
        yield "H"
        host["owner"].pop(q)
    host["owner"].pop("H")


def restart_form_1(host, disks):
    host["recovery"] = False
    yield "H"
    for q in disks:
        host["owner"].pop("H")
        yield q
        yield from request_fn(host, q)
        host["owner"].pop(q)
        yield "H"
    host["owner"].pop("H")


def restart_form_2(host, disks):
    host["recovery"] = False
    for q in disks:
        yield q
        yield from request_fn(host, q)
        host["owner"].pop(q)


RESTARTS = {UNPATCHED: restart_before, PATCHED: restart_form_1, LATER: restart_form_2}


def run_once(policy, dispatchers, disks, choose):
    """One schedule from the start to its end; `choose` picks among the threads that can go on."""
    queues = [f"Q{i}" for i in range(disks)]
    host = {"recovery": True, "busy": 0, "owner": {}, **dict.fromkeys(queues, 1)}
    threads = {f"R{i}": dispatch(host, queues[i % disks]) for i in range(dispatchers)}
    threads["E"] = RESTARTS[policy](host, queues)
    wants = dict.fromkeys(threads, "")  # the lock that each asks for with its last yield
    while threads:
        ready = [name for name in threads if wants[name] not in host["owner"]]
        if not ready:
            raise Hung
        name = choose(ready)
        if wants[name]:
            host["owner"][wants[name]] = name
        try:
            wants[name] = next(threads[name])
        except StopIteration:
            del threads[name]


def every_schedule(policy, dispatchers, disks):
    """Whether each schedule hangs: depth first, each run from scratch along a list of choices."""
    verdicts, path = [], []
    while True:
        choices = iter(path)
        taken, widths = [], []

        def choose(ready, choices=choices, taken=taken, widths=widths):
            taken.append(next(choices, 0))
            widths.append(len(ready))
            return ready[taken[-1]]

        try:
            run_once(policy, dispatchers, disks, choose)
            verdicts.append(False)
        except Hung:
            verdicts.append(True)
        while taken and taken[-1] == widths[len(taken) - 1] - 1:
            taken.pop()
        if not taken:
            return verdicts
        path = [*taken[:-1], taken[-1] + 1]


@pytest.mark.parametrize("policy", RESTARTS)
@pytest.mark.parametrize("disks", [1, 2])
def test_every_schedule_of_the_plain_code_gives_the_verdict_of_the_explorer(policy, disks):
    verdicts = every_schedule(policy, 1, disks)
    assert len(verdicts) >= 16
    assert any(verdicts) == bool(found(scenario(4, 1, disks), POLICIES[policy]).deadlocked)
    assert not all(verdicts)


@pytest.mark.parametrize("policy", RESTARTS)
def test_random_schedules_of_the_plain_code_agree_with_three_disks_and_three_dispatchers(policy):
    hung = 0
    for seed in range(400):
        try:
            run_once(policy, 3, 3, random.Random(seed).choice)
        except Hung:
            hung += 1
    assert bool(hung) == bool(found(scenario(4, 3, 3), POLICIES[policy]).deadlocked)


# ---- the schedule that is shown ----


def test_the_shortest_schedule_is_six_steps_and_two_that_wait():
    run = simulate(Scenario(), POLICIES[UNPATCHED])
    events = run.events
    assert run.numbers["no way back after (steps)"] == 5
    assert [f"{e.thread}:{e.at}" for e in events if isinstance(e, Stepped)] == [
        "R0:R1", "E:E1", "R0:R2", "R0:R3", "E:E2", "E:E3.0",
    ]  # fmt: skip
    assert events[-2:] == (Waited("R0", "R4", "H", "E"), Waited("E", "E4.0", "Q0", "R0"))
    assert events[-3].locks == "R0: Q0  E: H"


@SETTINGS
@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 3))
def test_more_cpus_dispatchers_or_disks_make_the_schedule_no_longer(cpus, dispatchers, disks):
    run = simulate(scenario(cpus, dispatchers, disks), POLICIES[UNPATCHED])
    assert run.numbers["way to the deadlock (steps)"] == (6 if cpus > 1 else "none")


@SETTINGS
@given(st.integers(1, 8), st.integers(0, 3), st.integers(1, 3), policies)
def test_a_run_without_deadlock_is_shown_to_its_end(cpus, dispatchers, disks, policy):
    run = simulate(scenario(cpus, dispatchers, disks), POLICIES[policy])
    if run.numbers["deadlock"] == "impossible":
        last = {e.thread: e for e in run.events}
        assert all(isinstance(e, Stepped) and not e.holds for e in last.values())
        assert len(last) == dispatchers + 1


def test_the_kernel_after_gets_through_the_turns_that_kill_the_kernel_before():
    before, after = (simulate(scenario(4, 2, 2), POLICIES[key]) for key in (UNPATCHED, PATCHED))
    turns = [e.thread for e in before.events]
    assert [e.thread for e in after.events][: len(turns)] == turns
    assert before.numbers["deadlock"] == "reachable" and after.numbers["deadlock"] == "impossible"


# ---- sizes ----


@pytest.mark.parametrize("policy", POLICIES)
def test_four_cpus_three_dispatchers_and_three_disks_stay_small(policy):
    assert found(scenario(4, 3, 3), POLICIES[policy]).states < 30_000  # 0.2-0.5 s


def test_the_numbers_of_states_are_those_in_the_text():
    assert [found(scenario(2, 1, 1), POLICIES[key]).states for key in (UNPATCHED, PATCHED, LATER)] == [92, 106, 53]


@pytest.mark.parametrize("policy", POLICIES)
def test_eight_cpus_are_as_good_as_one_for_each_thread(policy):
    four, eight = (explored(scenario(cpus, 3, 2), POLICIES[policy]) for cpus in (4, 8))
    assert (four.states, four.deadlocked) == (eight.states, eight.deadlocked)
    assert explore(replace(eight.program, cpus=None)).states == eight.states


def test_on_one_cpu_no_thread_ever_finds_a_lock_taken():
    one = program(scenario(1, 3, 3), POLICIES[UNPATCHED])

    def spins(state):
        on_cpu = [i for i, held in enumerate(state.held) if held]
        return "spins" if len(on_cpu) > 1 else ""

    assert "spins" not in explore(one, spins).first
    run = simulate(scenario(1, 3, 3), POLICIES[UNPATCHED])
    assert run.numbers["deadlock"] == "impossible" and not any(isinstance(e, Waited) for e in run.events)


def test_machine_size_matters_through_the_cpus_and_the_ratio_never():
    runs = {cpus: simulate(scenario(cpus, 2, 2), POLICIES[UNPATCHED]).numbers for cpus in (1, 2, 4, 8)}
    assert runs[1]["deadlock"] == "impossible" and runs[2]["deadlock"] == "reachable"
    assert runs[2]["states explored"] < runs[4]["states explored"] == runs[8]["states explored"]
    for ratio in CONTROLS[1].stops:
        case = replace(scenario(4, 2, 2), vm_cache_scan_ratio=ratio)
        assert simulate(case, POLICIES[UNPATCHED]).numbers == runs[4]


# ---- the scripts ----


def test_the_scripts_are_numbered_as_the_facts_number_them():
    before = scsi_restart_operations(scenario(2, 1, 2), POLICIES[UNPATCHED])
    outer = [step.at for step in before.steps if " " not in step.at]
    assert outer == ["E1", "E2", *(f"E{n}.{i}" for i in (0, 1) for n in (3, 4, 5, 7, 8)), "E9"]
    assert before.steps[3].says == "lock Q0" and before.steps[-1].says == "unlock H"


@pytest.mark.parametrize("policy", POLICIES)
def test_threads_can_be_interrupted_exactly_where_they_hold_no_lock(policy):
    threads = program(scenario(4, 2, 2), POLICIES[policy])
    rests = [{step.at: step.rests for step in each.steps} for each in threads.threads]

    def amiss(state):
        pairs = [(rest[at], not held) for rest, at, held in zip(rests, state.at, state.held) if at in rest]
        return "" if all(rest == free for rest, free in pairs) else "amiss"

    assert "amiss" not in explore(threads, amiss).first


def test_a_script_of_ones_own_is_explored_like_the_others():
    keeps = Policy("clear +H [check +Q run -Q] -H")
    alone = explored(scenario(1, 0, 1), keeps)
    assert alone.first["deadlock"][-1] == Waited("E", "E5.0 R4", "H", "E")
    assert simulate(scenario(1, 0, 1), keeps).numbers["lock-order cycle"] == "H > H"
    forgets = explored(scenario(2, 0, 1), Policy("clear +H [check -H +Q run -Q +H]"))
    assert "lock kept" in forgets.first


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("clear +Q run -Q", "one pair of brackets with words"),
        ("clear [+Q run -Q] [check]", "one pair of brackets"),
        ("clear ] +Q [", "one pair of brackets"),
        ("clear [lock run]", "word must be one of clear, \\+H, -H, check, \\+Q, -Q, run, got lock"),
        ("clear +Q [run] -Q", "word must be one of clear, \\+H, -H, got \\+Q"),
        ("clear [run -Q]", "thread E must hold Q0 before it gives it at E3.0"),
        ("clear []", "one pair of brackets with words"),
    ],
)
def test_a_script_that_means_nothing_is_refused_in_words(script, words):
    with pytest.raises(ValueError, match=words):
        program(Scenario(), Policy(script))


def test_two_dispatchers_of_one_disk_share_its_lock():
    case = scenario(4, 3, 2)
    assert [dispatcher(case, POLICIES[PATCHED], n).steps[0].take for n in range(3)] == ["Q0", "Q1", "Q0"]


# ---- the chapter: its goals and the solutions of its exercises ----


@pytest.mark.parametrize("name", PRESETS)
def test_goal_1_is_reached_on_the_machines_with_one_cpu_and_on_no_other(name):
    case = Scenario(machine=PRESETS[name], dispatchers=3, disks=3)
    safe = found(case, POLICIES[UNPATCHED]).deadlocked == 0
    assert safe == (PRESETS[name].cpus == 1) == (name in ("32 MB", "256 MB", "1 GB"))


def test_goal_2_a_cycle_without_a_deadlock_where_nobody_dispatches():
    numbers = simulate(scenario(4, 0, 1), POLICIES[UNPATCHED]).numbers
    assert (numbers["lock-order cycle"], numbers["deadlock"]) == ("H > Q0 > H", "impossible")


@pytest.mark.parametrize("disks", [1, 2, 3])
def test_more_dispatchers_make_more_deadlocked_states(disks):
    counts = [found(scenario(4, dispatchers, disks), POLICIES[UNPATCHED]).deadlocked for dispatchers in (0, 1, 2, 3)]
    assert counts == sorted(set(counts))


def test_solution_1_taking_h_again_before_q_is_given_has_the_right_order_and_is_safe():
    posted = Policy("clear +H [check -H +Q run +H -Q] -H")
    restart = scsi_restart_operations(Scenario(disks=2), posted)
    assert {(o.held[0], o.wanted[0]) for o in lock_order([restart])} == {("Q", "H")}
    assert found(scenario(4, 2, 2), posted).deadlocked == 0


def test_solution_2_three_steps_of_e_first():
    turns = "E E E R0 R0 R0"
    events = replay(program(Scenario(), POLICIES[UNPATCHED]), [*turns.split(), "R0", "E"])
    assert [type(event) for event in events] == [Stepped] * 6 + [Waited] * 2
    assert [event.wants for event in events[-2:]] == ["H", "Q0"]


def test_solution_3_without_the_check_no_disk_is_forgotten():
    unchecked = Policy("clear +H [-H +Q run -Q +H] -H")
    for blocked in (frozenset(), frozenset({0}), frozenset({1})):
        seen = found(scenario(4, 2, 2, blocked=blocked), unchecked)
        assert (seen.deadlocked, seen.waiting) == (0, 0)


def test_solution_4_e_alone_waits_for_itself():
    run = simulate(Scenario(machine=PRESETS["1 GB"], dispatchers=0), Policy("clear +H [check +Q run -Q] -H"))
    assert run.numbers["lock-order cycle"] == "H > H"
    assert run.events[-1] == Waited("E", "E5.0 R4", "H", "E")


# ---- the pictures ----


def runs(dispatchers=1, disks=1, keys=(UNPATCHED, PATCHED)):
    return {key: simulate(scenario(4, dispatchers, disks), POLICIES[key]) for key in keys}


def test_the_picture_says_the_finding_and_tells_the_schedule_in_words():
    shown = chapter("scsi_deadlock").draw(runs())
    assert shown.finding == "The unpatched kernel deadlocks after 6 steps; the patched kernel cannot deadlock"
    assert "R0 R1 lock Q0, E E1 end the recovery, R0 R2" in shown.alt
    assert "R0 waits for H, which E holds, and E waits for Q0, which R0 holds, for ever" in shown.alt
    assert "the lock order has the cycle H > Q0 > H" in shown.alt and "has no cycle" in shown.alt


@SETTINGS
@given(st.integers(1, 4), st.integers(0, 2), st.integers(1, 2), policies)
def test_the_bars_are_the_locks_that_the_events_name(cpus, dispatchers, disks, policy):
    events = simulate(scenario(cpus, dispatchers, disks), POLICIES[policy]).events
    drawn = list(figure.bars(events))
    before: set[tuple[str, str]] = set()
    for column, step in enumerate(event for event in events if isinstance(event, Stepped)):
        owners = [part.split(": ") for part in step.locks.split("  ") if part != "-"]
        after = {(name, lock) for name, locks in owners for lock in locks.split("+")}
        over = [bar for bar in drawn if bar.start <= column and (bar.end is None or column < bar.end)]
        assert {(bar.thread, bar.lock) for bar in over if not bar.waits_on} == before | after
        before = after
    last = {event.thread: event for event in events}
    for_ever = {name for name, event in last.items() if isinstance(event, Waited)}
    assert {b.thread for b in drawn if b.end is None and b.waits_on} == for_ever


def test_the_prediction_is_drawn_only_where_there_is_one():
    without, eight, many = (chapter("scsi_deadlock").draw(runs(), prediction).png() for prediction in (None, 8, 10_000))
    assert len({without, eight, many}) == 3
    assert chapter("scsi_deadlock").draw(runs(), "no idea").png() == without


def test_of_four_policies_those_that_cannot_deadlock_share_a_clause():
    shown = chapter("scsi_deadlock").draw(runs(keys=tuple(POLICIES)))
    assert shown.finding == "The unpatched kernel deadlocks after 6 steps; the other 3 cannot deadlock"
    assert shown.alt.count("One run:") == 3 and shown.alt.count("The shortest way:") == 1


@pytest.mark.parametrize("dispatchers", [0, 1, 3])
@pytest.mark.parametrize("keys", [(UNPATCHED, PATCHED), (LATER, MAINLINE), (PATCHED,)])
def test_every_size_and_every_pair_of_policies_can_be_drawn(dispatchers, keys):
    some = runs(dispatchers, 2, keys)
    alt = chapter("scsi_deadlock").draw(some).alt.casefold()
    assert all(kernel(key).removeprefix("the ") in alt for key in keys)


def test_the_map_is_a_deadlock_from_two_cpus_and_one_dispatcher_on_before_and_nowhere_after():
    cells = {key: over_cpus(POLICIES[key]) for key in (UNPATCHED, PATCHED, LATER)}
    hangs = {
        key: {w for w, run in some.items() if run.numbers["deadlock"] == "reachable"} for key, some in cells.items()
    }
    assert hangs == {UNPATCHED: {(c, d) for c in (2, 4, 8) for d in (1, 2, 3)}, PATCHED: set(), LATER: set()}
