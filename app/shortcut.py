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
    """
    from pyshortcuts import make_shortcut

    words = ["app", "--folder", str(Path(folder).absolute())]
    if sys.platform == "win32":
        text = subprocess.list2cmdline(words)
    else:
        # Quoted as the desktop's specification asks, and as shells read it: quotation marks, and these four escaped.
        escaped = ("".join(f"\\{one}" if one in '\\"$`' else one for one in word) for word in words)
        text = " ".join(f'"{word}"' for word in escaped)
    made = make_shortcut(
        f"-m stemforge {text}",
        name=NAME,
        description="See, correct and count atoms on STEM images",
        # Windows and macOS want icons in formats of their own; the library's stands for them.
        icon=str(_ICON) if sys.platform.startswith("linux") else None,
    )
    places = (Path(one) / made.target for one in (made.desktop_dir, made.startmenu_dir) if one)
    return [place for place in places if place.exists()]
