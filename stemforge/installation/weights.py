"""Whether weights that come with stemforge are as they were packed; without torch."""

import base64
import hashlib
from importlib.metadata import files as packed
from importlib.resources import files
from pathlib import Path


def shipped_weights() -> list[Path]:
    """Return the files of weights that come with stemforge."""
    # By name: nothing on the ground floor imports upward.
    return sorted((Path(str(files("stemforge.train"))) / "pretrained").glob("*.safetensors"))


def weights_fault(path: Path) -> str:
    """Say what is wrong with a file of weights; nothing is an empty text.

    It must be whole and finite, and, where stemforge was installed from a wheel, have the content that the wheel's
    record states.

    Examples
    --------
    >>> weights_fault(Path("no-such-file.safetensors"))
    'cannot be read (No such file or directory...)'
    """
    try:
        import numpy as np
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        return f"cannot be checked ({error})"
    try:
        stated = _recorded().get(path.resolve())
        if stated and _digest(path) != stated:
            return "has another content than the one that was installed"
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                if not np.isfinite(file.get_tensor(name)).all():
                    return f"holds values that are not finite in {name}"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except (SafetensorError, ValueError, TypeError) as error:
        return f"is damaged ({error})"
    return ""


def _recorded() -> dict[Path, str]:
    """Return the SHA-256 that the installation's record states, by file; an editable install states none."""
    found = [one for one in packed("stemforge") or () if one.suffix == ".safetensors" and one.hash]
    return {
        Path(str(one.locate())).resolve(): one.hash.value
        for one in found
        if one.hash and one.hash.mode == "sha256"
    }


def _digest(path: Path) -> str:
    """Return a file's SHA-256 as records of wheels have it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
