"""Learning-rate schedules of zoos that are trained from their factors: those of `torch.optim.lr_scheduler`."""

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from zootwins.zoos.sources import Schedule


def lr_factors(schedule: Schedule, epochs: int, steps: int) -> Tensor:
    """Return what the learning rate is multiplied with at every step, float32 `[epochs, steps]`.

    Args:
        schedule: `cosine` falls by epochs, `onecycle` rises and falls by steps and leaves momentum alone; both after
            the warm-up, which rises linearly by epochs.
        epochs: of the training.
        steps: of the optimiser in an epoch.
    """
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    by_epoch, by_step = [], []
    warmup, left = schedule.warmup_epochs, (schedule.cycle or epochs) - schedule.warmup_epochs
    if schedule.name == "cosine":
        by_epoch.append(lr_scheduler.CosineAnnealingLR(optimizer, T_max=left))
    elif schedule.name == "onecycle":
        cycle = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=left * steps, cycle_momentum=False)
        by_step.append(cycle)
    factors = torch.ones(epochs, steps)
    for epoch in range(epochs):
        for step in range(steps):
            factors[epoch, step] = (epoch + 1) / warmup if epoch < warmup else optimizer.param_groups[0]["lr"]
            optimizer.step()
            for scheduler in by_step if epoch >= warmup and (epoch, step) != (epochs - 1, steps - 1) else ():
                scheduler.step()
        for scheduler in by_epoch if epoch >= warmup else ():
            scheduler.step()
    return factors
