# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.scatter import scatter_single_atoms as scatter_single_atoms
from .candidates.acid import AcidSite as AcidSite, acid_sites as acid_sites, make_acid as make_acid
from .candidates.calculators import named_calculator as named_calculator
from .candidates.docking import dock_guest as dock_guest
from .candidates.files import CandidateSet as CandidateSet, candidates as candidates
from .candidates.guest_at_site import Candidate as Candidate
from .candidates.relaxation import Relaxed as Relaxed, relax as relax
from .candidates.search import CandidateSearch as CandidateSearch
from .crystals.slab import crystal_slab as crystal_slab
from .defects.points import (
    add_interstitials as add_interstitials,
    make_vacancies as make_vacancies,
    substitute as substitute,
)
from .from_file import structure_from_file as structure_from_file
from .layered.layers import layered_material as layered_material
from .nanoparticles.placing import add_nanoparticles as add_nanoparticles
from .nanoparticles.shapes import nanoparticle as nanoparticle
from .supports.carbon import amorphous_carbon as amorphous_carbon
from .supports.carbon_nitride import carbon_nitride as carbon_nitride
from .supports.particle import carbon_particle as carbon_particle
from .tags import (
    CLUSTER_ATOM as CLUSTER_ATOM,
    GUEST as GUEST,
    IMPURITY as IMPURITY,
    LIGAND as LIGAND,
    PARTICLE as PARTICLE,
    SINGLE_ATOM as SINGLE_ATOM,
    SUPPORT as SUPPORT,
    VACANCY as VACANCY,
    Tag as Tag,
)
from .view import draw_projection as draw_projection, draw_structure as draw_structure, is_flat as is_flat
from .zeolites.aluminium import substitute_aluminium as substitute_aluminium
from .zeolites.channels import find_channels as find_channels
from .zeolites.frameworks import mfi as mfi, zeolite as zeolite, zeolite_cell as zeolite_cell
from .zeolites.guests import guests_from_cell as guests_from_cell, place_guest as place_guest
