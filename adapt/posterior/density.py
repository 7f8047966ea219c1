"""The neural posterior: a density of parameters between 0 and 1, given a patch's statistics.

Each parameter has a histogram whose heights a network makes of the statistics and of the parameters before it
(Uria et al. 2016, arXiv:1605.02226). A histogram on the unit interval cannot leak out of the prior, as densities on the
real line do, is even where nothing is known, and takes any shape; the chain carries correlations.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

BINS = 24
_WIDTH = 160  # of the network that reads the statistics
_NEURONS = 24  # for each parameter
_HATS = 6  # places at which a parameter's value is handed on


class PosteriorDensity(nn.Module):
    """Density of parameters in (0, 1) given statistics.

    Parameters
    ----------
    statistics
        Number of statistics.
    parameters
        Number of parameters.
    dropout
        Share of neurons that are left out while it is trained.

    Examples
    --------
    >>> density = PosteriorDensity(5, 3)
    >>> density.log_density(torch.zeros(2, 5), torch.rand(2, 3)).shape
    torch.Size([2, 3])
    >>> density.sample(torch.zeros(2, 5), 10, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 10, 3])
    """

    def __init__(self, statistics: int, parameters: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.parameters_number = parameters
        self.trunk = nn.Sequential(
            nn.Linear(statistics, _WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(_WIDTH, _WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.from_statistics = nn.Linear(_WIDTH, parameters * _NEURONS)
        self.from_values = nn.Parameter(0.02 * torch.randn(parameters * _HATS, parameters * _NEURONS))
        self.heads = nn.Parameter(0.02 * torch.randn(parameters, _NEURONS, BINS))
        self.bias = nn.Parameter(torch.zeros(parameters, BINS))
        before = torch.ones(parameters, parameters).triu(1)
        self.register_buffer("mask", before.repeat_interleave(_HATS, 0).repeat_interleave(_NEURONS, 1))
        self.register_buffer("sharpness", torch.ones(parameters))
        self.mask: Tensor
        self.sharpness: Tensor

    def logits(self, statistics: Tensor, values: Tensor) -> Tensor:
        """Return the unscaled logarithm of every bin's height, shape (n, parameters, BINS)."""
        hidden = self.from_statistics(self.trunk(statistics))
        hidden = functional.gelu(hidden + hats(values).flatten(1) @ (self.from_values * self.mask))
        heights = torch.einsum("npk,pkb->npb", hidden.unflatten(1, (-1, _NEURONS)), self.heads) + self.bias
        return heights * self.sharpness[:, None]

    def log_density(self, statistics: Tensor, values: Tensor) -> Tensor:
        """Return the logarithm of each parameter's density given those before it, shape (n, parameters).

        The prior's is 0: what it is above is what the patch tells of the parameter [nat].
        """
        heights = functional.log_softmax(self.logits(statistics, values), -1) + torch.log(
            torch.tensor(float(BINS))
        )
        return heights.gather(2, bins(values)[..., None])[..., 0]

    @torch.inference_mode()
    def sample(self, statistics: Tensor, number: int, rng: torch.Generator) -> Tensor:
        """Draw from the posterior of each patch, shape (n, number, parameters)."""
        context = self.from_statistics(self.trunk(statistics)).repeat_interleave(number, 0)
        values = torch.zeros(len(context), self.parameters_number)
        handed = torch.zeros(len(context), self.parameters_number * _HATS)
        for p in range(self.parameters_number):
            chosen = slice(p * _NEURONS, (p + 1) * _NEURONS)
            known = handed[:, : p * _HATS] @ self.from_values[: p * _HATS, chosen]
            hidden = functional.gelu(context[:, chosen] + known)
            heights = (hidden @ self.heads[p] + self.bias[p]) * self.sharpness[p]
            index = torch.multinomial(heights.softmax(-1), 1, generator=rng)[:, 0]
            values[:, p] = (index + torch.rand(len(index), generator=rng)) / BINS
            handed[:, p * _HATS : (p + 1) * _HATS] = hats(values[:, p : p + 1]).flatten(1)
        return values.unflatten(0, (len(statistics), number))


def bins(values: Tensor) -> Tensor:
    """Return the bin of each value in (0, 1)."""
    return (values * BINS).long().clamp(0, BINS - 1)


def hats(values: Tensor) -> Tensor:
    """Return values as weights of evenly spaced places, shape (…, places): a step a network can bend."""
    return (1 - (values[..., None] * (_HATS - 1) - torch.arange(_HATS)).abs()).clamp(min=0)
