"""In which order, in which batches, within which budgets: what holds of every cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout.core.amounts import (
    ALL,
    Amount,
    Count,
    Percentage,
    parse_amount,
    rounded_down,
    rounded_up,
)
from rollout.core.batches import plan_batches
from rollout.core.budgets import NothingLeft, budgets
from rollout.core.ordering import ordered
from rollout.core.registry import Agent
from rollout.core.strategy import Order, Spread, Strategy

from tests.rollout.core.clusters import agent, clusters

AMOUNTS = st.one_of(
    st.builds(Count, st.integers(1, 80)), st.builds(Percentage, st.integers(1, 100_000))
)
STRATEGY = Strategy("s", "p.yaml", ("http://m:5050",))


@given(clusters(), st.integers(0, 3), st.sampled_from(Spread), st.randoms())
def test_everybody_has_one_turn_whatever_the_order_of_the_list(
    agents: list[Agent], seed: int, spread: Spread, random: object
) -> None:
    turns = ordered(agents, Order(spread, seed))
    assert sorted(turns, key=lambda each: each.host) == sorted(agents, key=lambda each: each.host)
    shuffled = [*agents]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ordered(shuffled, Order(spread, seed)) == turns


def test_another_seed_is_another_order() -> None:
    agents = [agent(number, "abc"[number % 3]) for number in range(30)]
    orders = {ordered(agents, Order(seed=seed)) for seed in range(5)}
    assert len(orders) == 5


@given(clusters(), st.integers(0, 3))
def test_every_beginning_of_the_order_has_each_zone_by_its_size(
    agents: list[Agent], seed: int
) -> None:
    turns = ordered(agents, Order(seed=seed))
    sizes = Counter(each.placement.fault_domain for each in agents)
    kept = {domain for domain, size in sizes.items() if domain and size > 1}
    front = turns[: len(turns) - len(kept)]
    assert {each.placement.fault_domain for each in turns[len(front) :]} == kept
    sizes.subtract(kept)
    seen: Counter[object] = Counter()
    for count, each in enumerate(front, 1):
        seen[each.placement.fault_domain] += 1
        for domain, size in sizes.items():
            assert abs(seen[domain] - count * size / len(front)) <= 0.5 + len(sizes) / 2


@given(clusters(min_size=2), st.integers(0, 3))
def test_a_host_that_joins_moves_no_other_one_of_its_zone(agents: list[Agent], seed: int) -> None:
    late = agents[-1]
    before = ordered(agents[:-1], Order(seed=seed))
    after = [each for each in ordered(agents, Order(seed=seed)) if each != late]
    for domain in {each.placement.fault_domain for each in agents}:
        then = [each.host for each in before if each.placement.fault_domain == domain]
        now = [each.host for each in after if each.placement.fault_domain == domain]
        assert then == now


@given(clusters(), st.lists(AMOUNTS, max_size=6), st.integers(0, 3))
def test_batches_grow_to_all_and_leave_a_host_of_each_zone(
    agents: list[Agent], amounts: list[Amount], seed: int
) -> None:
    turns = ordered(agents, Order(seed=seed))
    batches = plan_batches([*amounts, ALL], turns)
    sizes = [each.hosts for each in batches]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == len(agents)
    zones = Counter(each.placement.fault_domain for each in agents)
    for batch in batches[:-1]:
        begun = Counter(each.placement.fault_domain for each in turns[: batch.hosts])
        whole = [zone for zone, count in begun.items() if count == zones[zone] > 1 and zone]
        assert not whole
        assert batch.hosts + batch.held_back == rounded_up(batch.amounts[0], len(agents))


def test_equal_batches_are_merged_and_told() -> None:
    turns = ordered([agent(number) for number in range(50)], Order())
    amounts: list[Amount] = [
        Count(1),
        Percentage(1_000),
        Percentage(10_000),
        Percentage(50_000),
        ALL,
    ]
    batches = plan_batches(amounts, turns)
    assert [each.hosts for each in batches] == [1, 5, 25, 50]
    assert [str(each) for each in batches[0].amounts] == ["1", "1%"]


def test_a_batch_is_cut_where_it_would_begin_on_a_whole_zone() -> None:
    turns = ordered([agent(number, "ab"[number % 2]) for number in range(4)], Order())
    batches = plan_batches([Percentage(75_000), ALL], turns)
    assert [(each.hosts, each.held_back) for each in batches] == [(2, 1), (4, 0)]


@pytest.mark.parametrize(
    ("text", "total", "up", "down"),
    [("1%", 50, 1, 0), ("5%", 100, 5, 5), ("0.1%", 1000, 1, 1), ("100%", 7, 7, 7), (9, 7, 7, 7)],
)
def test_amounts_round(text: object, total: int, up: int, down: int) -> None:
    amount = parse_amount(text)
    assert (rounded_up(amount, total), rounded_down(amount, total)) == (up, down)
    assert str(amount) == str(text)


@pytest.mark.parametrize(
    "wrong", ["101%", "-1%", "5", "5 %", "1e1%", "٣%", -1, True, 1.5, None, []]
)
def test_what_is_no_amount(wrong: object) -> None:
    with pytest.raises(ValueError, match="percentage such as"):
        parse_amount(wrong)


@given(st.integers(1, 3000), AMOUNTS, AMOUNTS)
def test_budgets_never_exceed_what_was_said(
    selected: int, unavailable: Amount, failures: Amount
) -> None:
    strategy = replace(STRATEGY, max_unavailable=unavailable, max_failures=failures)
    hosts = [rounded_down(each, selected) for each in (unavailable, failures)]
    if 0 in hosts:
        with pytest.raises(NothingLeft, match="comes to none"):
            budgets(strategy, selected)
    else:
        found = budgets(strategy, selected)
        assert [found.unavailable, found.failures] == hosts


def test_a_literal_zero_is_meant() -> None:
    strategy = replace(STRATEGY, max_unavailable=Count(0), max_failures=Count(0))
    found = budgets(strategy, 10)
    assert (found.unavailable, found.failures) == (0, 0)
