"""Training of the neural posterior on simulated patches, and a check on patches that it never met."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.adapt.posterior.density import PosteriorDensity
from stemforge.adapt.posterior.patches import Patches

_EPOCHS = 24
_BATCH = 128
_RATE = 2e-3
_DECAY = 1e-2
_DROPOUT = 0.4
_FURTHEST = 6.0  # standard deviations beyond which a statistic counts no more
_HIDDEN = 8  # every eighth signal tests, the next one stops the training
_MEMBERS = 3


@dataclass(frozen=True)
class FittedPosterior:
    """Networks that give the posterior of a patch.

    Parameters
    ----------
    members
        Networks from different starts; the posterior is their mean.
    mean, spread
        Of each statistic over the simulated patches.
    information
        What a hidden patch tells of each parameter given those before it in the recipe [nat], shape (parameters,).
    coverage
        How often the true value of hidden patches lies in the 90 % interval, shape (parameters,).
    hidden
        Number of signals that were hidden.
    """

    members: tuple[PosteriorDensity, ...]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    information: NDArray[np.float64]
    coverage: NDArray[np.float64]
    hidden: int

    def sample(self, statistics: NDArray[np.float32], number: int, seed: int = 0) -> NDArray[np.float32]:
        """Draw shares from the posterior of each patch, shape (patches, number, parameters)."""
        rng = torch.Generator().manual_seed(seed)
        inputs = _inputs(statistics, self.mean, self.spread)
        each = -(-number // len(self.members))
        drawn = [member.sample(inputs, each, rng).numpy() for member in self.members]
        return np.concatenate(drawn, 1)[:, :number]


def fit_posterior(patches: Patches, *, seed: int = 0) -> FittedPosterior:
    """Train the networks on simulated patches.

    Parameters
    ----------
    patches
        Simulated, with their parameters; every eighth signal is hidden for the check.
    seed
        Of the networks' starts.
    """
    shares = torch.tensor(_known(patches), dtype=torch.float32)
    hidden, stopping = patches.source % _HIDDEN == 0, patches.source % _HIDDEN == 1
    learnt = ~(hidden | stopping)
    mean, spread = patches.statistics[learnt].mean(0), patches.statistics[learnt].std(0) + 1e-6
    inputs = _inputs(patches.statistics, mean, spread)
    parts = [np.flatnonzero(part) for part in (learnt, stopping)]
    members = tuple(_train(inputs, shares, parts, seed + number) for number in range(_MEMBERS))
    with torch.inference_mode():
        each = torch.stack([member.log_density(inputs[hidden], shares[hidden]) for member in members])
    information = (torch.logsumexp(each, 0) - np.log(len(members))).mean(0).numpy()
    found = FittedPosterior(members, mean, spread, information.astype(float), np.zeros(0), 0)
    coverage = covered(found, patches.statistics[hidden], shares[hidden].numpy()).mean(0)
    return FittedPosterior(
        members, mean, spread, found.information, coverage, len(np.unique(patches.source[hidden]))
    )


def covered(
    posterior: FittedPosterior,
    statistics: NDArray[np.float32],
    shares: NDArray[np.floating],
    level: float = 0.9,
) -> NDArray[np.bool_]:
    """Tell whether the true values lie in the central intervals of the posterior, shape (patches, parameters)."""
    below = (posterior.sample(statistics, 600) < shares[:, None]).mean(1)
    return (below > (1 - level) / 2) & (below < (1 + level) / 2)


def _known(patches: Patches) -> NDArray[np.float64]:
    if patches.shares is None:
        raise ValueError("patches must be simulated ones, whose parameters are known")
    return patches.shares


def _inputs(
    statistics: NDArray[np.float32], mean: NDArray[np.float32], spread: NDArray[np.float32]
) -> torch.Tensor:
    return torch.tensor(((statistics - mean) / spread).clip(-_FURTHEST, _FURTHEST), dtype=torch.float32)


def _train(
    inputs: torch.Tensor, shares: torch.Tensor, parts: Sequence[NDArray[np.int64]], seed: int
) -> PosteriorDensity:
    """Train one network on the first part; keep what was best on the second."""
    learnt, stopping = parts
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PosteriorDensity(inputs.shape[1], shares.shape[1], _DROPOUT)
        optimiser = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
        batches = max(len(learnt) // _BATCH, 1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_EPOCHS * batches)
        best, kept = np.inf, model.state_dict()
        for _ in range(_EPOCHS):
            model.train()
            for batch in np.array_split(rng.permutation(learnt), batches):
                loss = -model.log_density(inputs[batch], shares[batch]).sum(1).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            model.eval()
            with torch.inference_mode():
                score = float(-model.log_density(inputs[stopping], shares[stopping]).sum(1).mean())
            if score < best:
                best, kept = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval()
