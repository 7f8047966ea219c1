"""Files that settings name, known by their content."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_serializer, model_validator

from stemforge.errors import RecipeError
from stemforge.files import sha256_of_file
from stemforge.settings.checked import Checked


class NamedFile(Checked):
    """A file that settings name: a path, or ``{path: …, sha256: …}``.

    Every field that names a file is declared with this type, never as a bare path: the content decides a result as
    much as any number in the settings, and :meth:`stemforge.settings.Settings.pinned` must find it.

    Parameters
    ----------
    path
        Where it is.
    sha256
        Of its content; not known before the settings are pinned.

    Examples
    --------
    >>> NamedFile.model_validate("slab.cif").model_dump(mode="json")
    'slab.cif'
    """

    path: Path
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        if not isinstance(value, str | Path | Mapping | NamedFile) or not value:
            raise ValueError("must be the path of a file, or {path: …, sha256: …}")
        return {"path": value} if isinstance(value, str | Path) else value

    @model_serializer
    def _as_written(self) -> Any:
        return {"path": str(self.path), "sha256": self.sha256} if self.sha256 else str(self.path)

    def pin(self, field: str = "file") -> Self:
        """Return the file with the SHA-256 of its content, or with the one it has; errors name `field`."""
        if self.sha256:
            return self
        if self.path.exists() and not self.path.is_file():  # a folder, or a pipe that never ends
            raise RecipeError(f"'{field}': {self.path} is not a file; give the path of a file")
        try:
            return self.replace(sha256=sha256_of_file(self.path))
        except OSError as error:
            raise RecipeError(
                f"'{field}': {self.path} cannot be read ({error.strerror or error}); give the path of a file"
            ) from error
