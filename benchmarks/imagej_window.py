"""ImageJ with the atoms that its menu's *Find Atoms stemforge* found, for the documents: a picture of its windows.

Needs Debian's imagej, xvfb, openbox, xdotool and imagemagick.

python benchmarks/imagej_window.py IMAGE --out docs/images/imagej.png
"""

import subprocess
import tempfile
from pathlib import Path

from cyclopts import App
from PIL import Image

from stemforge.infer import write_macros

JAR = "/usr/share/java/ij.jar"
MACRO = """open("{image}");
run("Find Atoms stemforge", "detector=any-atom");
selectImage("{name}");
setLocation(10, 110, 540, 570);
run("Set... ", "zoom=100");
"""
# ImageJ places its windows itself: they are moved once they are there.
WINDOWS = """openbox & sleep 1
java -Duser.home={home} -Dplugins.dir={home} -cp {jar} ij.ImageJ -macro {home}/show.ijm & sleep 15
place() {{ w=$(xdotool search --name "$1" | tail -1); xdotool windowsize $w $2 $3 windowmove $w $4 $5 windowraise $w; }}
place "^Atoms of" 640 340 556 340
place "^Log" 640 170 556 125
sleep 1; import -window root {home}/windows.png; kill $(jobs -p)
"""

app = App()


@app.default
def main(image: Path, /, *, out: Path) -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "plugins").mkdir()
        write_macros(home / "plugins")
        (home / "show.ijm").write_text(MACRO.format(image=image.absolute(), name=image.name))
        script = WINDOWS.format(home=home, jar=JAR)
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1220x720x24", "bash", "-c", script]
        subprocess.run(screen, timeout=120, check=False)
        with Image.open(home / "windows.png") as picture:
            colours = picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
            colours.save(out, optimize=True)


if __name__ == "__main__":
    app()
