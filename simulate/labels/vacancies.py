"""Labels of what is missing: kept beside a sample's labels, which say what is there, for readers who ask."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.labels.atoms import label_atoms
from stemforge.simulate.labels.visibility import visibility
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan
from stemforge.structures import Tag

KEY = "vacancies"
"""Entry of a sample's metadata that holds them."""


def describe_vacancies(
    atoms: Atoms,
    signal: NDArray[np.float32],
    microscope: Microscope,
    scan: Scan,
    focus: float,
    *,
    reference_dose: float,
    source_size: float = 1.0,
    thermal_sigma: float = 0.08,
) -> dict[str, Any]:
    """Describe the missing atoms in the field of view; parameters as for :func:`stemforge.simulate.label_atoms`.

    Returns
    -------
    dict
        Plain values for a sample's metadata: ``points`` (x, y) [pixel] and ``columns``, those of the labels of atoms.
        A vacancy lacks what its atom would scatter: ``scattering``, ``contrast`` and ``cnr`` are negative. Empty
        where the structure has no list of vacancies.
    """
    missing = atoms.info.get("vacancies")
    if missing is None:
        return {}
    absent = Atoms(
        missing["numbers"],
        missing["positions"],
        cell=atoms.cell,
        tags=[Tag.SINGLE_ATOM] * len(missing["numbers"]),
    )
    labels = label_atoms(
        absent,
        signal,
        microscope,
        scan,
        focus,
        reference_dose=reference_dose,
        source_size=source_size,
        thermal_sigma=thermal_sigma,
    )
    columns = {
        **labels.columns,
        "scattering": -labels["scattering"],
        "tag": np.full(len(labels), int(Tag.VACANCY)),
    }
    lacking = Annotations(labels.points, columns=columns)
    columns["contrast"], columns["cnr"] = visibility(lacking, reference_dose, source_size)
    return {KEY: {"points": lacking.points.tolist(), "columns": {k: v.tolist() for k, v in columns.items()}}}


def listed_vacancies(sample: Sample) -> Annotations | None:
    """Return the vacancies that a sample lists, as labels where nothing has moved them; None where it says nothing.

    Examples
    --------
    >>> from stemforge.simulate import SimulationRecipe, simulate_sample
    >>> vacancies = {"kind": "vacancy", "element": "N", "fraction": 0.1}
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32], "defects": [vacancies]})
    >>> found = listed_vacancies(simulate_sample(recipe, 0))
    >>> set(found["element"].tolist()), bool((found["contrast"] < 0).all())
    ({7}, True)
    """
    listed = sample.metadata.get(KEY)
    if not isinstance(listed, Mapping):
        return None
    points = np.asarray(listed["points"], dtype=float).reshape(-1, 2)
    return Annotations(
        points, columns={name: np.asarray(values) for name, values in listed["columns"].items()}
    )


def with_vacancies(sample: Sample) -> Sample:
    """Return a sample whose labels name its vacancies too, after its atoms.

    Parameters
    ----------
    sample
        Simulated, from a recipe with ``defects: [{kind: vacancy, …}]``.

    Returns
    -------
    Sample
        With rows whose column ``tag`` is :attr:`Tag.VACANCY`, whose ``element`` is the missing atom's, and whose
        ``contrast`` and ``cnr`` are negative. What a reader does next, such as
        :func:`stemforge.simulate.record`, holds for them as for atoms.

    Raises
    ------
    CorpusError
        The sample says nothing of vacancies.

    Examples
    --------
    >>> from stemforge.simulate import SimulationRecipe, simulate_sample
    >>> vacancies = {"kind": "vacancy", "element": "N", "fraction": 0.1}
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32], "defects": [vacancies]})
    >>> sample = simulate_sample(recipe, 0)
    >>> len(with_vacancies(sample).labels) > len(sample.labels)
    True
    """
    listed = listed_vacancies(sample)
    if listed is None:
        raise CorpusError(
            f"sample {sample.index}: says nothing of vacancies; simulate it from a recipe with "
            "defects: [{kind: vacancy, …}]"
        )
    labels = sample.labels
    columns = {
        name: np.concatenate([values, listed[name].astype(values.dtype)])
        for name, values in labels.columns.items()
        if name in listed.columns
    }
    return replace(
        sample, labels=Annotations(np.concatenate([labels.points, listed.points]), columns=columns)
    )
