"""Training of a hyper-representation, from the states of the training models."""

import logging
from collections.abc import Callable
from math import ceil

import pandas as pd
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.model import AutoEncoder, alpha_errors, nt_xent, weight_errors
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.tokens import Tokens, erase
from zootwins.population.trajectory import ignore
from zootwins.run.keys import stream_key
from zootwins.storage.resume import Resume

log = logging.getLogger(__name__)
_MAXIMAL_GRADIENT = 1.0  # norm; zoos with widely different models would throw training off otherwise
_AT_ONCE = 256  # networks that are recovered together
LOSSES = ("loss", "contrast", "weights", "alphas")


def layer_scale(weights: Tensor, tokens: Tokens) -> Tensor:
    """Return each layer's standard deviation over networks `[rows, parameters]`, for every parameter."""
    parts = weights.split(tokens.sizes, dim=1)
    return torch.cat([part.std().expand(part.shape[1]) for part in parts])


def train(
    states: VdStates,
    settings: Settings,
    threshold: float,
    key: tuple[str, int],
    device: str,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> tuple[AutoEncoder, pd.DataFrame]:
    """Train an auto-encoder on the states of the training models.

    Every batch is seen as two views, or as one where nothing is contrasted, in each of which a model's neurons have
    another order and a stretch of its weights is erased; what has to be reconstructed is the view before it was erased.

    Args:
        threshold: of log α, where a weight is pruned.
        key: zoo and seed: the same give the same auto-encoder, on the same device and number of threads.
        resume: where to save the training after epochs, and to go on from if there is one.

    Returns:
        The auto-encoder, ready to be evaluated, and its history: epoch and the mean of every loss.
    """
    with torch.random.fork_rng():
        torch.manual_seed(stream_key("representation", *key))
        model = AutoEncoder(states.tokens, settings)
        model.scale.copy_(layer_scale(states.weights, states.tokens))
        model.to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        rows = torch.stack((states.weights, states.alphas), dim=1).to(device)
        rows = torch.cat((rows, *_recovered(model, rows[:, 0])), dim=1)
        steps = settings.epochs * ceil(len(rows) / settings.batch_size)
        schedule = OneCycleLR(optimizer, settings.lr, steps, cycle_momentum=False)
        training = {"model": model, "optimizer": optimizer, "schedule": schedule}
        done, saved = resume.load() if resume else (0, {})
        history: list[list[float]] = saved.get("history", [])
        if saved:
            for name, part in training.items():
                part.load_state_dict(saved[name])
            log.info("%s: resuming after epoch %d", resume.path, done)
        for epoch in range(done + 1, settings.epochs + 1):
            torch.manual_seed(stream_key("representation", *key, epoch))  # a resumed run draws what it would have
            losses = _train_epoch(model, optimizer, schedule, rows, settings, threshold)
            history.append(losses)
            log.info("epoch %d of %d: %s", epoch, settings.epochs, _line(losses))
            on_epoch(epoch, settings.epochs)
            if resume:
                resume.save(epoch, lambda: {n: p.state_dict() for n, p in training.items()} | {"history": history})
    table = pd.DataFrame(history, columns=LOSSES)
    table.insert(0, "epoch", range(1, len(history) + 1))
    return model.eval(), table


def _recovered(model: AutoEncoder, weights: Tensor) -> list[Tensor]:
    """Recover networks `[rows, parameters]` from their largest weights, `[rows, 2, parameters]`, if the model has them.

    Made once: permuting a network's neurons permutes what is recovered from it.
    """
    if model.largest is None:
        return []
    return [torch.cat([model.recover(model.largest(part / model.scale)) for part in weights.split(_AT_ONCE)])]


def _train_epoch(
    model: AutoEncoder,
    optimizer: Optimizer,
    schedule: OneCycleLR,
    rows: Tensor,
    settings: Settings,
    threshold: float,
) -> list[float]:
    """Train once on all rows of weights, log α and what is recovered of them, `[rows, 2 or 4, parameters]`.

    Returns:
        The mean of every loss.
    """
    model.train()
    generator = torch.Generator().manual_seed(torch.initial_seed())  # on the CPU, whatever the device
    totals = torch.zeros(len(LOSSES))
    order = torch.randperm(len(rows), generator=generator)
    for batch in order.split(settings.batch_size):
        views = torch.cat([rows[batch]] * (2 if settings.contrastive_weight else 1))
        if settings.permutations:
            permutations = model.tokens.draw_permutations(len(views), generator)
            views = model.tokens.permute(views, [one.to(rows.device) for one in permutations])
        erased = erase(views[:, 0], settings.erasing, generator)
        losses = _losses(model, erased, views, settings, threshold)
        optimizer.zero_grad()
        losses[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _MAXIMAL_GRADIENT)
        optimizer.step()
        schedule.step()
        totals += len(batch) / len(rows) * torch.stack(losses).detach().cpu()
    return totals.tolist()


def _losses(model, erased: Tensor, views: Tensor, settings: Settings, threshold: float) -> tuple[Tensor, ...]:
    """Return the `LOSSES` of views of networks, all first views before the second; the total comes first."""
    weights, alphas = views[:, 0], views[:, 1]
    context = model.encode_context(erased)
    decoded_weights, decoded_alphas = model.decode_context(context, views[:, 2:] if model.largest else None)
    share = settings.contrastive_weight
    contrast = nt_xent(*model.project(context).chunk(2), settings.temperature) if share else context.new_zeros(())
    of_weights = weight_errors(decoded_weights, weights, model.scale).mean()
    noisy = model.tokens.noisy.to(views.device)
    of_alphas = alpha_errors(decoded_alphas, alphas, threshold, settings.alpha_scale)[:, noisy].mean()
    reconstruction = settings.weights_factor * of_weights + of_alphas
    return share * contrast + (1 - share) * reconstruction, contrast, of_weights, of_alphas


def _line(losses: list[float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in zip(LOSSES, losses, strict=True))
