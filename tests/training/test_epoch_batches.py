from __future__ import annotations

import torch

from veilbench.training.epoch_batches import EpochBatches, epoch_order


def test_every_row_comes_once_an_epoch_the_last_few_too() -> None:
    calls = list(EpochBatches(torch.arange(23), 5, 2, 0, range(3)))
    assert [tuple(call.shape) for call in calls] == [(2, 5), (2, 5), (1, 3)] * 3
    for epoch in range(3):
        seen = torch.cat([call.flatten() for call in calls[3 * epoch : 3 * epoch + 3]])
        assert sorted(seen.tolist()) == list(range(23))


def test_epochs_are_in_different_orders_which_depend_on_seed_and_epoch_alone() -> None:
    assert not torch.equal(epoch_order(50, 0, 0), epoch_order(50, 0, 1))
    assert not torch.equal(epoch_order(50, 0, 0), epoch_order(50, 1, 0))
    whole = torch.cat([call.flatten() for call in EpochBatches(torch.arange(23), 5, 2, 7, range(3))])
    apart = [call.flatten() for e in range(3) for call in EpochBatches(torch.arange(23), 5, 2, 7, range(e, e + 1))]
    assert torch.equal(whole, torch.cat(apart))


def test_a_batch_larger_than_the_data_is_the_data() -> None:
    assert [tuple(call.shape) for call in EpochBatches(torch.arange(4), 99, 2, 0, range(2))] == [(1, 4), (1, 4)]
