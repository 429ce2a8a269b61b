"""The explorer: checked against all orders tried one by one, and against the lock-order graph."""

from itertools import combinations, permutations
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach.kernel.interleavings import explore
from vmteach.kernel.lockorder import Order, cycle, interruptible, lock_order
from vmteach.kernel.threads import END, Program, Step, Stepped, Thread, Waited, held_before, replay, thread

SETTINGS = settings(max_examples=200, deadline=None, print_blob=True)


def program(*scripts: str, cpus: int | None = None) -> Program:
    """One thread a script: A, B, C ..."""
    return Program(tuple(thread(name, script) for name, script in zip("ABCDEF", scripts)), cpus=cpus)


@st.composite
def scripts(draw, locks="abc", most=6, tidy=True):
    """A script that takes no lock twice and gives only what it holds; a tidy one gives all back."""
    held, words = [], []
    for _ in range(draw(st.integers(1, most))):
        choices = ["x", *(f"+{lock}" for lock in locks if lock not in held), *(f"-{lock}" for lock in held)]
        word = draw(st.sampled_from(choices))
        words.append(word)
        held = [*held, word[1:]] if word[0] == "+" else [lock for lock in held if word != f"-{lock}"]
    return " ".join(words + ([f"-{lock}" for lock in reversed(held)] if tidy else []))


# ---- the slow way: every order of all steps, one by one ----


class Slow(NamedTuple):
    """What trying every order found."""

    states: set
    deadlocked: set
    shortest: int | None  # steps to the first deadlock


def every_order(*scripts: str) -> Slow:
    """Try each order of the steps as far as it goes, with the plainest code there is."""
    words = [script.split() for script in scripts]
    turns = [i for i, script in enumerate(words) for _ in script]
    states, deadlocked, shortest = set(), set(), None
    for order in set(permutations(turns)):
        at, owner = [0] * len(words), {}
        states.add((tuple(at), frozenset()))
        for taken, i in enumerate(order):
            ready = [
                j for j, w in enumerate(words) if at[j] < len(w) and not (w[at[j]][0] == "+" and w[at[j]][1:] in owner)
            ]
            if not ready:
                deadlocked.add((tuple(at), frozenset(owner.items())))
                shortest = taken if shortest is None else min(shortest, taken)
            if i not in ready:
                break
            word = words[i][at[i]]
            if word[0] == "+":
                owner[word[1:]] = i
            if word[0] == "-":
                del owner[word[1:]]
            at[i] += 1
            states.add((tuple(at), frozenset(owner.items())))
    return Slow(states, deadlocked, shortest)


def plain(found, states):
    """States of the explorer as `every_order` writes them."""
    places = [{label: n for n, label in enumerate([*(s.at for s in t.steps), END])} for t in found.program.threads]
    return {
        (
            tuple(place[label] for place, label in zip(places, state.at)),
            frozenset((lock, i) for i, held in enumerate(state.held) for lock in held),
        )
        for state in states
    }


@SETTINGS
@given(
    st.lists(scripts(most=3, locks="ab", tidy=False), min_size=1, max_size=3).filter(lambda s: sum(map(len, s)) < 27)
)
def test_the_explorer_finds_what_trying_every_order_finds(texts):
    if sum(len(text.split()) for text in texts) > 8:
        texts = texts[:2]
    slow, found = every_order(*texts), explore(program(*texts))
    assert found.states == len(slow.states)
    assert plain(found, found.deadlocked) == slow.deadlocked
    assert plain(found, found.lost | set(found.ends)) <= slow.states


def test_two_threads_with_two_locks_the_wrong_way_round():
    slow = every_order("+a +b -b -a", "+b +a -a -b")
    found = explore(program("+a +b -b -a", "+b +a -a -b"))
    assert (found.states, len(found.deadlocked), slow.shortest) == (len(slow.states), 1, 2)
    assert found.first["deadlock"] == (
        Stepped("A", "1", "lock a", ("a",), "A: a"),
        Stepped("B", "1", "lock b", ("b",), "A: a  B: b"),
        Waited("A", "2", "b", "B"),
        Waited("B", "2", "a", "A"),
    )


# ---- exploration and lock order: two ways to one answer ----


@SETTINGS
@given(st.lists(scripts(), min_size=1, max_size=3))
def test_a_deadlock_means_a_cycle_and_no_cycle_means_no_deadlock(texts):
    found = explore(program(*texts))
    ring = cycle(lock_order(found.program.threads))
    assert ring or not found.deadlocked  # the same sentence both ways round
    assert found.order <= lock_order(found.program.threads)
    assert not found.deadlocked or cycle(found.order)


def test_both_verdicts_occur_among_random_scripts():
    seen = set()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.lists(scripts(), min_size=2, max_size=3))
    def collect(texts):
        found = explore(program(*texts))
        seen.add((bool(found.deadlocked), bool(cycle(found.order))))

    collect()
    assert seen == {(True, True), (False, True), (False, False)}


nested = st.lists(st.sampled_from(["+a +b -b -a", "+b +a -a -b", "+a -a", "+b -b"]), min_size=1, max_size=3)


@SETTINGS
@given(nested, nested)
def test_with_two_nested_locks_and_two_threads_opposite_orders_are_enough(first, second):
    found = explore(program(" ".join(first), " ".join(second)))
    ab, ba = "+a +b -b -a", "+b +a -a -b"
    opposite = (ab in first and ba in second) or (ba in first and ab in second)
    assert bool(found.deadlocked) == opposite


def test_a_cycle_alone_is_not_a_deadlock():
    one_thread = program("+a +b -b -a +b +a -a -b")
    assert cycle(lock_order(one_thread.threads)) == ("a", "b", "a")
    assert not explore(one_thread).deadlocked
    guarded = program("+g +a +b -b -a -g", "+g +b +a -a -b -g")
    assert cycle(lock_order(guarded.threads)) and not explore(guarded).deadlocked


def test_a_ring_of_three_locks_is_found_and_its_order_told():
    ring = program("+a +b -b -a", "+b +c -c -b", "+c +a -a -c")
    assert cycle(lock_order(ring.threads)) == ("a", "b", "c", "a")
    assert len(explore(ring).first["deadlock"]) == 6


def test_the_static_order_follows_both_ways_of_a_branch():
    steps = (
        Step("1", take="a"),
        Step("2", when=lambda n: n, goto="4"),
        Step("3", take="b", goto="5"),
        Step("4", take="c"),
    )
    branching = Thread("A", (*steps, Step("5", give="a")))
    assert held_before(branching)["5"] == {("a", "b"), ("a", "c")}
    orders = {(o.held, o.wanted) for o in lock_order([branching])}
    assert orders == {("a", "b"), ("a", "c")}
    seen = explore(Program((branching,), data=1)).order
    assert seen == {Order("a", "c", "A", "4")}


# ---- schedules ----


@SETTINGS
@given(st.lists(scripts(tidy=False), min_size=1, max_size=3))
def test_the_shortest_schedule_can_be_replayed_and_ends_with_those_who_wait(texts):
    found = explore(program(*texts))
    for schedule in found.first.values():
        assert replay(found.program, [event.thread for event in schedule]) == schedule
    if "deadlock" in found.first:
        kinds = [type(event) for event in found.first["deadlock"]]
        assert kinds == sorted(kinds, key=[Stepped, Waited].index) and kinds[-1] is Waited


@SETTINGS
@given(st.lists(scripts(most=4), min_size=1, max_size=3))
def test_stuck_threads_and_dead_ends_are_the_same_finding(texts):
    found = explore(program(*texts))
    assert ("deadlock" in found.first) == bool(found.deadlocked) == bool(found.lost)
    if found.deadlocked:
        steps = [event for event in found.first["deadlock"] if isinstance(event, Stepped)]
        assert len(steps) <= min(sum(map(place, found.program.threads, s.at)) for s in found.deadlocked)


def place(thread, at):
    """How many steps a thread without branches has taken."""
    return [*(step.at for step in thread.steps), END].index(at)


@SETTINGS
@given(st.lists(scripts(most=4), min_size=1, max_size=3))
def test_from_a_lost_state_no_run_ends_and_from_every_other_one_does(texts):
    found = explore(program(*texts))

    def can_end(state):
        return found.program.finished(state) or any(can_end(after) for _, after in found.program.moves(state))

    def after_some(state, n):
        return state if n == 0 else next((after_some(s, n - 1) for _, s in found.program.moves(state)), state)

    for state in [*list(found.lost)[:5], after_some(found.program.start, 3)]:
        assert can_end(state) == (state not in found.lost)


def test_a_deadlock_is_seen_while_others_still_run():
    found = explore(program("+a +b -b -a", "+b +a -a -b", "x x x x"))
    assert len([e for e in found.first["deadlock"] if isinstance(e, Stepped)]) == 2
    assert [e.thread for e in found.first["deadlock"] if isinstance(e, Waited)] == ["A", "B"]


def test_onward_gives_everybody_turns_to_the_end():
    events = replay(program("+a x -a", "+a -a"), ["B"], onward=True)
    assert [e.thread for e in events] == ["B", "A", "B", "A", "A", "A"]
    assert [e for e in events if isinstance(e, Waited)] == [events[1]]


# ---- textbook programs with a known answer ----


@pytest.mark.parametrize("seats", [2, 3, 4])
def test_dining_philosophers_starve_unless_one_is_left_handed(seats):
    forks = [(chr(97 + i), chr(97 + (i + 1) % seats)) for i in range(seats)]
    right = explore(program(*(f"+{a} +{b} -{b} -{a}" for a, b in forks)))
    assert len(right.deadlocked) == 1
    assert len([e for e in right.first["deadlock"] if isinstance(e, Stepped)]) == seats
    swapped = [forks[0][::-1], *forks[1:]]
    assert not explore(program(*(f"+{a} +{b} -{b} -{a}" for a, b in swapped))).deadlocked


class Counter(NamedTuple):
    value: int = 0
    seen: tuple[int, int] = (0, 0)  # what each thread has read


def adder(i: int, lock: str = "") -> Thread:
    """Add one to a shared counter in two steps: read, write."""

    def read(c):
        return c._replace(seen=(*c.seen[:i], c.value, *c.seen[i + 1 :]))

    def write(c):
        return c._replace(value=c.seen[i] + 1)

    inner = (Step("2", "read", do=read), Step("3", "write", do=write))
    return Thread("AB"[i], (Step("1", take=lock), *inner, Step("4", give=lock)) if lock else inner)


def test_a_counter_without_a_lock_loses_an_update_and_with_one_does_not():
    without = explore(Program((adder(0), adder(1)), Counter()))
    assert {end.data.value for end in without.ends} == {1, 2}
    assert not all(end.data.value == 2 for end in without.ends)
    assert all(end.data.value == 2 for end in explore(Program((adder(0, "a"), adder(1, "a")), Counter())).ends)


class Flags(NamedTuple):
    wants: tuple[bool, bool] = (False, False)
    turn: int = 0


def peterson(i: int, polite: bool = True) -> Thread:
    """Peterson's lock for two threads: a loop that spins on shared data."""

    def flag(f):
        return f._replace(wants=(*f.wants[:i], True, *f.wants[i + 1 :]))

    def yield_turn(f):
        return f._replace(turn=1 - i) if polite else f

    def must_wait(f):
        return f.wants[1 - i] and f.turn == 1 - i

    def unflag(f):
        return f._replace(wants=(*f.wants[:i], False, *f.wants[i + 1 :]))

    return Thread(
        "AB"[i],
        (
            Step("1", do=flag),
            Step("2", do=yield_turn),
            Step("3", when=must_wait, goto="3"),
            Step("in", do=unflag),
        ),
    )


def both_in(state):
    return "both in" if state.at == ("in", "in") else ""


def test_petersons_lock_lets_one_in_and_needs_its_turn():
    good = explore(Program((peterson(0), peterson(1)), Flags()), both_in)
    assert "both in" not in good.first and good.ends and not good.lost
    bad = explore(Program((peterson(0, polite=False), peterson(1, polite=False)), Flags()), both_in)
    assert "".join(e.thread for e in bad.first["both in"]) == "BBBAAA"


# ---- CPUs ----


@SETTINGS
@given(st.lists(scripts(), min_size=1, max_size=3))
def test_on_one_cpu_nobody_ever_waits_for_a_lock(texts):
    one = Program(tuple(interruptible(t) for t in program(*texts).threads), cpus=1)
    found = explore(one)
    assert not found.deadlocked and not found.lost
    for state in found.ends:
        assert not any(state.held)
    assert all(isinstance(event, Stepped) for event in replay(one, "ABCABC"[: len(texts)] * 2, onward=True))


@SETTINGS
@given(st.lists(scripts(most=4), min_size=2, max_size=3), st.integers(1, 3))
def test_more_cpus_only_add_states_and_more_than_threads_add_none(texts, cpus):
    threads = tuple(interruptible(t) for t in program(*texts).threads)
    fewer, more = (explore(Program(threads, cpus=n)).states for n in (cpus, cpus + 1))
    assert fewer <= more
    enough, many, unlimited = (explore(Program(threads, cpus=n)).states for n in (len(threads), 8, None))
    assert enough == many == unlimited


def test_a_spinning_thread_keeps_its_cpu():
    threads = program("+a x -a", "x +a -a", "x").threads
    two = Program(threads, cpus=2)
    state = two.start
    for i in (0, 1):
        state = dict(two.moves(state))[i]
    assert list(dict(two.moves(state))) == [0]  # B spins on a, A has the other CPU, C has none
    assert [two.spins(state, i) for i in range(3)] == [False, True, False]
    assert [event.thread for event in replay(two, "A B C B A A C".split())] == ["A", "B", "B", "A", "A", "C"]


class Slot(NamedTuple):
    """A page-table entry, and whether the mover's look-up found it."""

    entry: bool = True
    found: bool = False


def test_a_thread_that_sleeps_lets_another_in_even_on_one_cpu():
    def look(s):
        return s._replace(found=s.entry)

    def clear(s):
        return s._replace(entry=False)

    def crash(state):
        return "stale" if state.at[0] == "use" and state.data.found and not state.data.entry else ""

    def mover(sleeps):
        rows = (Step("lock", take="ptl"), Step("look", do=look), Step("drop", give="ptl"))
        return Thread("M", (*rows, Step("again", take="ptl", rests=sleeps), Step("use"), Step("end it", give="ptl")))

    clearer = Thread("C", (Step("1", take="ptl"), Step("2", do=clear), Step("3", give="ptl")))
    asleep = explore(Program((mover(True), clearer), Slot(), cpus=1), crash)
    awake = explore(Program((mover(False), clearer), Slot(), cpus=1), crash)
    assert [e.thread for e in asleep.first["stale"]] == ["M"] * 3 + ["C"] * 3 + ["M"]
    assert "stale" not in awake.first
    assert "stale" in explore(Program((mover(False), clearer), Slot(), cpus=2), crash).first


# ---- edges and errors ----


def test_a_lock_taken_twice_by_its_own_thread_never_comes():
    found = explore(program("+a +a"))
    assert found.first["deadlock"][-1] == Waited("A", "2", "a", "A")
    assert cycle(lock_order(found.program.threads)) == ("a", "a")


def test_a_lock_that_is_kept_at_the_end_is_trouble_and_blocks_who_comes_after():
    found = explore(program("+a", "+a -a"))
    assert [(e.thread, type(e)) for e in found.first["lock kept"]] == [("A", Stepped), ("B", Waited)]
    assert found.first["deadlock"][-1] == Waited("B", "1", "a", "A")
    assert "lock kept" not in explore(program("+a -a", "+a -a")).first


def test_a_wrong_state_is_named_with_its_shortest_schedule_and_not_left():
    found = explore(program("x x", "x x"), lambda s: "met" if s.at == ("2", "2") else "")
    assert [e.thread for e in found.first["met"]] == ["A", "B"]
    assert [state.at for state in found.lost] == [("2", "2")]  # the end is reached around it
    found = explore(program("x x", "x x"), lambda s: "row 2" if "2" in s.at else "")
    assert found.states == 3 and not found.ends  # the start and its two neighbours


def test_too_many_states_are_an_error_and_not_half_a_proof():
    with pytest.raises(ValueError, match="states must be 10 or fewer for a proof"):
        explore(program("x x x x", "x x x x"), limit=10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: program("-a"), "thread A must hold a before it gives it at 1"),
        (lambda: program("+a x", cpus=0), "cpus must be 1 or more"),
        (lambda: Program(()), "threads must be one or more"),
        (lambda: Program((thread("A", "x"), thread("A", "x"))), "names of their own"),
        (lambda: Program((Thread("A", ()),)), "must have rows"),
        (lambda: Program((Thread("A", (Step("1"), Step("1"))),)), "must have rows with names of their own"),
        (lambda: Program((Thread("A", (Step("1", goto="7"),)),)), "goto of A at 1 must be one of its rows"),
        (lambda: Program((Thread("A", (Step("1", when=bool),)),)), "goto where it has a `when`"),
        (lambda: Program((Thread("A", (Step("1", take="a", give="b"),)),)), "take or give one lock"),
        (lambda: replay(program("x"), ["Z"]), "turns must name the threads A, got 'Z'"),
    ],
)
def test_a_table_that_does_not_hang_together_is_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_loop_is_walked_once_and_ends_the_proof():
    def up(n):
        return (n + 1) % 3

    forever = Thread("A", (Step("1", do=up, goto="1"),))
    found = explore(Program((forever,), data=0))
    assert (found.states, found.ends, found.deadlocked) == (3, (), ())
    assert len(found.lost) == 3  # it never ends, though it is never stuck


def test_every_pair_of_short_scripts_agrees_with_every_order():
    words = ["+a -a", "+a +b -b -a", "+b +a -a -b", "+a +b -a -b", "x"]
    for pair in combinations(words, 2):
        slow, found = every_order(*pair), explore(program(*pair))
        assert (found.states, len(found.deadlocked)) == (len(slow.states), len(slow.deadlocked)), pair
        steps = [e for e in found.first.get("deadlock", ()) if isinstance(e, Stepped)]
        assert (len(steps) or None) == slow.shortest
