"""The periodic grid on which ``kernels`` puts an image together, on the CPU or on a torch device."""

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.engines.probe import probe_intensity
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan
from stemforge.simulate.splines import add_points, cubic_weights

Complex = NDArray[np.complex64]
# One step of the smallest grid on which a probe is built, 16 Å wide [1/Å].
_SOFT_EDGE = 0.07


class Grid:
    """The periodic grid on which an image is put together, and its spatial frequencies."""

    def __init__(self, atoms: Atoms, microscope: Microscope, scan: Scan) -> None:
        width, height = float(atoms.cell[0, 0]), float(atoms.cell[1, 1])
        self.origin = np.array(scan.origin((width, height)))
        self.microscope = microscope
        self.scan = scan
        # Fine enough for the probe's intensity, which ends at 2α/λ; the pixels are every `factor`-th point.
        self.factor = int(np.ceil(scan.sampling / (0.95 * microscope.nyquist_sampling)))
        self.step = scan.sampling / self.factor
        self.shape = (self._points(height), self._points(width))
        qy = np.fft.fftfreq(self.shape[0], self.step)
        qx = np.fft.rfftfreq(self.shape[1], self.step)
        # The probe passes nothing beyond 2α/λ, and little more for the softness of its edge: the rest is left out.
        limit = 2 * microscope.semiangle_cutoff * 1e-3 / microscope.wavelength + _SOFT_EDGE
        self.rows, self.columns = np.flatnonzero(np.abs(qy) <= limit), int(np.sum(qx <= limit))
        self.qy, self.qx = qy[self.rows], qx[: self.columns]
        self.q2 = (self.qy[:, None] ** 2 + self.qx**2).astype(np.float32)
        self.spectrum_shape = self.q2.shape

    def _points(self, side: float) -> int:
        """Points along a side [Å]: a cell of no whole number of steps is padded, its margin keeps the seam out."""
        if np.isclose(side % self.step, [0, self.step], atol=1e-6).any():
            return round(side / self.step)
        return fft.next_fast_len(int(np.ceil(side / self.step)), real=True)

    def zeros(self, channels: int) -> Any:
        """Return an empty spectrum, shape (channels, qy, qx)."""
        return np.zeros((channels, *self.spectrum_shape), dtype=np.complex64)

    def put(self, array: Any) -> Any:
        """Return an array where the arithmetic is done."""
        return array

    def density(self, positions: NDArray[np.float64], weights: NDArray[np.float32]) -> Any:
        """Fourier transform of weighted points, smoothed by cubic splines: see `sharpened`."""
        grid = np.zeros(self.shape, dtype=np.float32)
        add_points(grid, (positions[:, :2] - self.origin) / self.step, weights)
        return self._transform(grid)

    def _transform(self, grid: NDArray[np.float32]) -> Complex:
        """Fourier transform of a real grid, at the frequencies that are kept."""
        along = np.ascontiguousarray(fft.rfft(grid, axis=1)[:, : self.columns])
        return fft.fft(along, axis=0, overwrite_x=True)[self.rows]

    def sharpened(self, sigma: float) -> NDArray[np.float32]:
        """Factor that undoes the smoothing of `density`, and blurs by thermal motion of standard deviation [Å]."""
        y, x = (
            np.exp(-2 * np.pi**2 * sigma**2 * q**2) / np.sinc(q * self.step) ** 4 for q in (self.qy, self.qx)
        )
        return np.outer(y, x).astype(np.float32)

    def probe(self, defocus: float) -> Complex:
        """Conjugate Fourier transform of the probe's intensity, ``defocus`` [Å] from its focus, sum 1."""
        offsets, weights = self.microscope.focal_series
        defoci = defocus + offsets
        # The probe needs only as much room as it is wide: a small grid, put into the large one.
        radius = np.abs(defoci).max() * self.microscope.semiangle_cutoff * 1e-3
        radius += 8 + 3 * (self.microscope.A1 + self.microscope.B2) * self.microscope.semiangle_cutoff * 1e-3
        size = [min(n, fft.next_fast_len(int(np.ceil(2 * radius / self.step)))) for n in self.shape]
        intensity = probe_intensity(self.microscope, -defoci, weights, (size[0], size[1]), self.step)
        # Only rows that hold something are transformed along x.
        rows = np.zeros((size[0], self.shape[1]), dtype=np.float32)
        half = size[1] - size[1] // 2
        rows[:, :half], rows[:, self.shape[1] - size[1] // 2 :] = intensity[:, :half], intensity[:, half:]
        spectrum = fft.rfft(rows, axis=1)[:, : self.columns]
        full = np.zeros((self.shape[0], self.columns), dtype=np.complex64)
        half = size[0] - size[0] // 2
        full[:half], full[self.shape[0] - size[0] // 2 :] = spectrum[:half], spectrum[half:]
        return np.conj(fft.fft(full, axis=0, overwrite_x=True)[self.rows])

    def spread(self, depth: float, mean_free_path: float, angle: float) -> NDArray[np.float32] | float:
        """Return what elastic scattering above ``depth`` [Å] leaves of the probe's transform, as a factor."""
        if not np.isfinite(mean_free_path):
            return 1.0
        sharp = np.exp(-depth / mean_free_path)
        # Scattered evenly along the way: the mean square path after scattering is a third of the depth's.
        sigma = angle * depth / np.sqrt(3)
        y, x = (np.exp(-2 * np.pi**2 * sigma**2 * q**2).astype(np.float32) for q in (self.qy, self.qx))
        return np.float32(sharp) + np.float32(1 - sharp) * np.outer(y, x)

    def image(self, spectrum: Any) -> NDArray[np.float32]:
        """Back to pixels; point densities become fractions of the incident electrons."""
        height, width = self.scan.shape
        full = self._back(spectrum) / self.step**2
        pixels = full[:, :: self.factor, :: self.factor][:, :height, :width]
        return np.ascontiguousarray(np.clip(pixels, 0, None), dtype=np.float32)

    def _back(self, spectrum: Any) -> NDArray[np.float32]:
        full = np.zeros((len(spectrum), self.shape[0], self.shape[1] // 2 + 1), dtype=np.complex64)
        full[:, self.rows, : self.columns] = spectrum
        return fft.irfft2(full, s=self.shape, axes=(-2, -1))


class TorchGrid(Grid):
    """The same grid on a torch device; only probes are made on the CPU."""

    def __init__(self, atoms: Atoms, microscope: Microscope, scan: Scan, device: str) -> None:
        import torch

        super().__init__(atoms, microscope, scan)
        self.torch = torch
        try:
            self.device = torch.device(device)
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device: {device!r} cannot be used ({error}); take cpu") from error
        self._kept_rows = torch.as_tensor(self.rows, device=self.device)

    def zeros(self, channels: int) -> Any:
        """Return an empty spectrum, shape (channels, qy, qx)."""
        shape = (channels, *self.spectrum_shape)
        return self.torch.zeros(shape, dtype=self.torch.complex64, device=self.device)

    def put(self, array: Any) -> Any:
        """Return an array as a tensor on the device."""
        return self.torch.as_tensor(array, device=self.device) if isinstance(array, np.ndarray) else array

    def density(self, positions: NDArray[np.float64], weights: NDArray[np.float32]) -> Any:
        """Fourier transform of weighted points."""
        torch = self.torch
        points = torch.as_tensor((positions[:, :2] - self.origin) / self.step, device=self.device)
        cell = points.floor()
        t = points - cell
        # Of the four nearest grid points, shape (n, 2, 4).
        spline = torch.stack(cubic_weights(t), -1)
        steps = torch.arange(-1, 3, device=self.device)
        size = torch.tensor(self.shape[::-1], device=self.device)[:, None]
        places = (cell.long()[..., None] + steps) % size
        flat = places[:, 1, :, None] * self.shape[1] + places[:, 0, None, :]
        values = spline[:, 1, :, None] * spline[:, 0, None, :] * self.put(weights).double()[:, None, None]
        # In double precision: atomic additions come in any order.
        grid = torch.zeros(self.shape[0] * self.shape[1], dtype=torch.float64, device=self.device)
        grid.index_add_(0, flat.flatten(), values.flatten())
        spectrum = torch.fft.rfft2(grid.float().reshape(self.shape))
        return spectrum[self._kept_rows, : self.columns]

    def _back(self, spectrum: Any) -> NDArray[np.float32]:
        shape = (len(spectrum), self.shape[0], self.shape[1] // 2 + 1)
        full = self.torch.zeros(shape, dtype=self.torch.complex64, device=self.device)
        full[:, self._kept_rows, : self.columns] = spectrum
        return self.torch.fft.irfft2(full, s=self.shape).cpu().numpy()


def make_grid(atoms: Atoms, microscope: Microscope, scan: Scan, device: str = "cpu") -> Grid:
    """Return a grid on the CPU, through NumPy, or on a torch device.

    Raises
    ------
    InputError
        The device cannot be used here.
    """
    return Grid(atoms, microscope, scan) if device == "cpu" else TorchGrid(atoms, microscope, scan, device)
