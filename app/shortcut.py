"""An icon that starts the page, for those who open no terminal."""

import subprocess
import sys
from pathlib import Path

NAME = "stemforge"
_ICON = Path(__file__).parent / "pages" / "icon.svg"


def add_shortcut(folder: str | Path) -> list[Path]:
    """Put an icon on the desktop and into the menu of programs that starts ``stemforge app`` with this Python.

    What is there under the same name is replaced. A window with the server's messages opens beside the page; closing it
    ends the server.

    Parameters
    ----------
    folder
        Where the app keeps images, corrections and results.

    Returns
    -------
    list
        The files that were written.

    Examples
    --------
    >>> import os
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, HOME=os.getcwd()):  # another desktop than the user's
    ...     places = add_shortcut("my images")
    >>> [place.name for place in places if place.parent.name == "Desktop"]
    ['stemforge.desktop']
    """
    from pyshortcuts import make_shortcut

    linux = sys.platform.startswith("linux")
    words = ["app", "--folder", str(Path(folder).absolute())]
    if sys.platform == "win32":
        text = subprocess.list2cmdline(words)
    else:
        # In quotation marks, and these four escaped, as shells and the specification of desktop entries read it.
        escaped = ("".join(f"\\{one}" if one in '\\"$`' else one for one in word) for word in words)
        text = " ".join(f'"{word}"' for word in escaped)
    if linux:
        # A desktop entry is read once more before: backslashes escape there, and per cent signs are fields.
        text = text.replace("\\", "\\\\").replace("%", "%%")
    made = make_shortcut(
        f"-m stemforge {text}",
        name=NAME,
        description="See, correct and count atoms on STEM images",
        # Windows and macOS want icons in formats of their own; the library's stands for them.
        icon=str(_ICON) if linux else None,
    )
    places = (Path(one) / made.target for one in (made.desktop_dir, made.startmenu_dir) if one)
    return [place for place in places if place.exists()]
