"""What an ideal observer sees of molecules in channels, who knows their poses, the framework's image and the noise."""

from pathlib import Path

import numpy as np
from published import published_image
from scipy.special import logsumexp

from stemforge import Micrograph
from stemforge.infer import Lattice, find_lattice
from stemforge.infer.crystals.framework import Framework, projected_cell
from stemforge.infer.occupancy.crystal import ChannelCrystal, Crystal, Molecule, cell_image, finest_spacing
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration
from stemforge.infer.occupancy.templates import HALF, Templates
from stemforge.infer.occupancy.transfer import Transfer, cell_coefficients, fit_transfer
from stemforge.structures import guests_from_cell, zeolite
from stemforge.structures.tags import Tag


def contrast(guests: np.ndarray, noise: Noise, points: np.ndarray, sampling: float) -> np.ndarray:
    """Return what an ideal observer sees of each molecule, in standard deviations of the noise."""
    y, x = np.indices(guests.shape)
    found = []
    for point in points:
        near = np.exp(-(((np.hypot(x - point[0], y - point[1]) * sampling) / 6) ** 8))
        power = np.abs(np.fft.fft2(guests * near)) ** 2 / guests.size
        radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, sampling) for n in guests.shape), indexing="ij"))
        found.append(np.sqrt((power / (noise.at(radius) / sampling**2)).sum()))
    return np.array(found)


def ideal_of(
    image: np.ndarray, clean: np.ndarray, empty: np.ndarray, points: np.ndarray, sampling: float
) -> tuple[list[float], Noise, float]:
    """Return the ideal observer's contrast of each molecule, the noise, and counts for a fraction of electrons."""
    scale = float((image * clean).sum() / (clean**2).sum())
    noise = Noise.of(np.asarray(image - scale * clean, dtype=float), sampling)
    return list(contrast(scale * (clean - empty), noise, points, sampling)), noise, scale


def transfer_of(image: np.ndarray, lattice: Lattice, crystal: Crystal) -> Transfer:
    """Return the transfer under which an image without noise shows a crystal."""
    hk = crystal.indices(finest_spacing(lattice.sampling))
    coefficients, variance = cell_coefficients(np.asarray(image, dtype=float), lattice, hk)
    return fit_transfer(
        coefficients, variance, hk / crystal.cell, crystal.coefficients(hk), crystal.powers(hk)
    )[0]


def distance(potential: np.ndarray, templates: Templates, transfer: Transfer, noise: Noise) -> np.ndarray:
    """Return the contrast of differences of projected potential in standard deviations of the noise."""
    power = np.abs(potential * transfer.at(templates.k)) ** 2
    density = noise.at(np.hypot(templates.k[..., 0], templates.k[..., 1]))
    return np.sqrt((power / density).sum((-2, -1))) / (2 * HALF)


def frame(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of a ring, and its axes: to the heteroatom, beside that, and across the ring."""
    ring = molecule.atoms[molecule.atoms.numbers > 1]
    middle = ring.positions.mean(0)
    ahead = ring.positions[ring.numbers.argmax()] - middle
    across = np.linalg.svd(ring.positions - middle)[2][2]
    axes = np.array([ahead / np.linalg.norm(ahead), np.cross(across, ahead / np.linalg.norm(ahead)), across])
    return middle, axes


def exchanged(molecule: Molecule, other: Molecule) -> Molecule:
    """Put another ring into the place of one, heteroatom on heteroatom's side."""
    middle, axes = frame(molecule)
    others_middle, others_axes = frame(other)
    atoms = other.atoms.copy()
    atoms.positions = (atoms.positions - others_middle) @ others_axes.T @ axes + middle
    return Molecule(other.name, atoms)


def guest_distance(
    crystal: ChannelCrystal, lattice: Lattice, transfer: Transfer, noise: Noise, content: float
) -> float:
    """Return by how many standard deviations thiophene differs from pyridine in the same pose, mean over poses."""
    templates = Templates.of(crystal.guests, finest_spacing(lattice.sampling))
    named = [[g for g in crystal.guests if g.name == name] for name in ("pyridine", "thiophene")]
    several = [(one, exchanged(one, named[1][0])) for one in named[0][::8]]
    both = [
        np.array([Templates.of([g], templates.resolution).potential[0] for g in pair]) for pair in several
    ]
    return float(np.mean([distance(content * (b[0] - b[1]), templates, transfer, noise) for b in both]))


def area_in_any_pose(
    crystal: ChannelCrystal, lattice: Lattice, transfer: Transfer, noise: Noise, content: float
) -> float:
    """Return the area under the curve of who knows framework, noise and content, and of poses how often each comes.

    The best that can be said of a channel is then the mean over poses of its likelihood (Neyman and Pearson); 400 empty
    and 400 filled channels are drawn.
    """
    templates = Templates.of(crystal.guests, finest_spacing(lattice.sampling))
    density = noise.at(np.hypot(templates.k[..., 0], templates.k[..., 1]))
    white = templates.potential * transfer.at(templates.k) / np.sqrt(density)
    white = white.reshape(len(white), -1)
    gram = (white @ white.conj().T).real / (2 * HALF) ** 2
    root = np.linalg.cholesky(gram + 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    rng = np.random.default_rng(0)
    empty, filled = (rng.normal(size=(400, len(gram))) @ root.T for _ in range(2))
    filled += content * gram[rng.integers(0, len(gram), len(filled))]
    without, with_one = (
        logsumexp(content * products - content**2 * np.diag(gram) / 2, axis=1) for products in (empty, filled)
    )
    return float(np.mean(without[:, None] < with_one))


def published_contrast(folder: Path, number: int, doses: tuple[int, ...]) -> list[float]:
    """Return what an ideal observer sees of the pyridine of a published structure, by dose."""
    film = guests_from_cell(zeolite(folder / f"{number}.cif"))
    cell = projected_cell(film)
    guest = cell.get_tags() == Tag.GUEST
    framework = Framework.from_atoms(cell[~guest], str(number))
    crystal = Crystal(framework, cell)
    clean = published_image(folder / f"{number}_dose_1000000.tiff")
    lattice = find_lattice(Micrograph(clean), framework=framework)
    hk = crystal.indices(finest_spacing(lattice.sampling))
    templates = Templates.of([Molecule("pyridine", cell[guest])], finest_spacing(lattice.sampling))
    found = []
    for dose in doses:
        image = np.asarray(published_image(folder / f"{number}_dose_{dose}.tiff"), dtype=float)
        average = cell_image(cell_coefficients(image, lattice, hk)[0], hk, (134, 204))
        left = image - image.mean() - Registration.none(image.shape).drawn(average, lattice)
        # The average of 25 cells has taken its part of the noise with it.
        noise = Noise.of(left * np.sqrt(25 / 24), lattice.sampling)
        transfer = transfer_of(image, lattice, crystal)
        found.append(float(distance(templates.potential[0], templates, transfer, noise)))
    return found
