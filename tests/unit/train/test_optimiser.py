"""The schedule and the average of the weights."""

from __future__ import annotations

import torch

from timesenclip.train.optimiser import average_weights, learning_rate_factor, make_optimiser, make_schedule
from timesenclip.train.recipe import OptimiserConfig


def test_the_authors_schedule_goes_down_and_up_again() -> None:
    def factor(step: int) -> float:
        return learning_rate_factor(step, steps=400, per_epoch=10, schedule="cosine-cycle", period=10, warmup=0)

    assert [round(factor(s), 3) for s in (0, 9, 50, 100, 150, 200)] == [1.0, 1.0, 0.5, 0.0, 0.5, 1.0]


def test_a_schedule_goes_on_from_any_step() -> None:
    chosen = OptimiserConfig(learning_rate=0.01, warmup=0.2)
    weights = torch.nn.Linear(3, 2)
    optimiser = make_optimiser(chosen, weights)
    whole = make_schedule(optimiser, chosen, step=0, steps=20, per_epoch=5)
    rates = []
    for _ in range(20):
        rates.append(whole.get_last_lr()[0])
        optimiser.step()
        whole.step()
    expected = [
        0.01 * learning_rate_factor(s, steps=20, per_epoch=5, schedule="warmup-cosine", period=10, warmup=0.2)
        for s in range(20)
    ]
    assert rates == expected
    later = make_schedule(make_optimiser(chosen, weights), chosen, step=13, steps=20, per_epoch=5)
    assert later.get_last_lr()[0] == expected[13]


def test_the_average_forgets_the_first_weights_soon_and_goes_on_from_any_step() -> None:
    weights = torch.nn.Linear(2, 1, bias=False)
    averaged = average_weights(weights, 0.5, step=0)
    expected = weights.weight.detach().clone()
    for n in range(1, 13):
        with torch.no_grad():
            weights.weight.fill_(float(n))
        averaged.update_parameters(weights)
        decay = min(0.5, n / (n + 9))
        expected = decay * expected + (1 - decay) * n
        if n == 6:
            again = average_weights(weights, 0.5, step=6)
            again.module.load_state_dict(averaged.module.state_dict())
            averaged = again
    assert torch.allclose(averaged.module.weight, expected, atol=1e-5)
