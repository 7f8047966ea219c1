"""Small structure files, written as programs write them."""

import pytest

_CELL = """data_{name}
_cell_length_a {edge}
_cell_length_b {edge}
_cell_length_c {edge}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{symmetry}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_occupancy
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""


def _cif(*rows, symmetry="_space_group_IT_number 1", edge=5.0, name="made"):
    return _CELL.format(edge=edge, symmetry=symmetry, name=name) + "\n".join(rows) + "\n"


@pytest.fixture(scope="session")
def cif():
    """Function that returns the text of a CIF of a cubic cell: rows, symmetry, edge [Å], name of the block."""
    return _cif


@pytest.fixture
def save(tmp_path):
    """Function that writes a file and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
