// Finds single atoms on the image that is open. Written by `stemforge imagej-macro`; write it again after you have moved
// stemforge to another environment. From another macro: run("Find Atoms stemforge", "pixel=0.293 detector=any-atom").

requires("1.53d");
python = "@PYTHON@";
title = "Find atoms (stemforge)";
again = "\n \nWrite this macro again, where stemforge is installed:\nstemforge imagej-macro --out FOLDER --overwrite";

if (nImages == 0) exit("Open an image first.");
if (bitDepth() == 24) exit("This is a colour picture: open the image as it was recorded.");
if (!File.exists(python)) exit(title + "\n \nThere is no " + python + " any more." + again);
getPixelSize(unit, size, high);
if (abs(high / size - 1) > 0.001) exit("The pixels are not square.");
angstrom = 0;
if (unit == "pm") angstrom = size / 100;
if (unit == "A" || unit == fromCharCode(197) || unit == "Angstrom" || unit == "angstrom") angstrom = size;
if (unit == "nm") angstrom = size * 10;
if (unit == "um" || unit == fromCharCode(181) + "m" || unit == fromCharCode(956) + "m" || unit == "micron" || unit == "microns") angstrom = size * 10000;

Dialog.create(title);
Dialog.addNumber("Pixel size", angstrom, 5, 9, fromCharCode(197));
Dialog.addChoice("Detector", newArray("any-atom", "atom-net", "sac-cnn"@MORE@));
Dialog.addCheckbox("Completeness: how many atoms are missed (takes longer)", false);
Dialog.addMessage("any-atom: any specimen. atom-net, sac-cnn: Pt on carbon at 60 kV.");
Dialog.show();
angstrom = Dialog.getNumber();
detector = Dialog.getChoice();
completeness = "--no-completeness";
if (Dialog.getCheckbox()) completeness = "--completeness";
if (!(angstrom > 0)) exit("Give the pixel size: without it no atoms are looked for.");

image = getImageID();
name = getTitle();
selected = selectionType() >= 0;
stacked = nSlices > 1;
channel = 0;
slice = getSliceNumber();
if (Stack.isHyperstack) Stack.getPosition(channel, slice, frame);
rings = "stemforge " + getSliceNumber();

// The frame that is shown, with the values that were recorded, whatever colours they are shown in.
key = "stemforge-" + d2s(getTime(), 0);
folder = getDirectory("temp") + key;
File.makeDirectory(folder);
recorded = folder + File.separator + key + ".tif";
found = folder + File.separator + "atoms";
table = found + File.separator + key + ".csv";
calm = is("Batch Mode");
if (!calm) setBatchMode(true);
run("Select None");
if (channel > 0) run("Duplicate...", "title=frame duplicate channels=" + channel + " slices=" + slice + " frames=" + frame);
else run("Duplicate...", "title=frame");
run("Grays");
saveAs("Tiff", recorded);
close();
selectImage(image);
if (!calm) setBatchMode(false);
showStatus("stemforge looks for atoms ...");
// ImageJ returns what a program prints; what it says on its other stream would be lost.
start = "import sys; sys.stderr = sys.stdout; from stemforge.__main__ import program; program()";
said = exec(python, "-P", "-c", start, "infer", "atoms", recorded, "--out", found, "--weights", detector,
    "--sampling", d2s(angstrom, 9), completeness, "--quiet");
gone = File.delete(recorded);
lines = split(named(named(said, recorded, name), key, name), "\n");
if (!File.exists(table)) {
    if (selected && isOpen(image)) {
        selectImage(image);
        run("Restore Selection");
    }
    gone = File.delete(folder);
    text = title + "\n ";
    for (i = 0; i < lines.length; i++) if (indexOf(lines[i], found) != 0) text = text + "\n" + lines[i];
    if (indexOf(said, "No module named") >= 0) text = text + again;
    exit(text);
}

rows = split(File.openAsString(table), "\n");
header = split(rows[0], ",");
column = 0;
for (i = 0; i < header.length; i++) if (header[i] == "score") column = i;
count = rows.length - 1;
record = File.openAsString(found + File.separator + "run.json");
density = indexOf(record, "visible_atoms_per_nm2");
print(name + ": " + count + " atoms at " + d2s(angstrom, 4) + " " + fromCharCode(197) + " per pixel");
print("  expected F1 " + noted(record, "expected_f1", 0) + "; visible atoms per nm^2: " + noted(record, "expected", density)
    + " (" + noted(record, "low", density) + " to " + noted(record, "high", density) + ")");
for (i = 0; i < lines.length; i++) if (indexOf(lines[i], found) != 0) print("  " + lines[i]);
print("  table, overlay and run.json: " + found);
showStatus(name + ": " + count + " atoms");
if (!isOpen(image)) exit(name + " was closed meanwhile; its atoms are in\n" + found);

// Another image may have been chosen meanwhile. Whatever else lies over the image stays.
selectImage(image);
if (stacked) {
    if (channel > 0) Stack.setPosition(channel, slice, frame);
    else setSlice(slice);
}
if (Overlay.size > 0) Overlay.removeRois(rings);
x = newArray(count);
y = newArray(count);
radius = maxOf(4, 2 / angstrom);
for (i = 0; i < count; i++) {
    cells = split(rows[i + 1], ",");
    x[i] = parseFloat(cells[0]);
    y[i] = parseFloat(cells[1]);
    // Rings as stemforge's own: red where the likelihood is low, yellow where it is high. Areas count from the corner of
    // the first pixel, places from its centre.
    makeOval(x[i] + 0.5 - radius, y[i] + 0.5 - radius, 2 * radius, 2 * radius);
    Roi.setName(rings);
    Roi.setStrokeColor(255, minOf(255, 255 * parseFloat(cells[column])), 0);
    Overlay.addSelection;
    if (stacked && channel > 0) Overlay.setPosition(channel, slice, frame);
    if (stacked && channel == 0) Overlay.setPosition(slice);
}
run("Select None");
if (count > 0) {
    Overlay.show;
    makeSelection("points small yellow dot", x, y);
    atoms = "Atoms of " + name;
    if (isOpen(atoms)) close(atoms);
    Table.open(table);
    Table.rename(key + ".csv", atoms);
}

// A text with the image's name in place of what stemforge was given. ImageJ's own replace takes patterns.
function named(text, old, name) {
    at = indexOf(text, old + ":");
    while (at >= 0) {
        text = substring(text, 0, at) + name + substring(text, at + lengthOf(old));
        at = indexOf(text, old + ":", at + lengthOf(name));
    }
    return text;
}

// What run.json notes under a name, from a place on; two decimals.
function noted(text, name, from) {
    if (from < 0) return "not known";
    start = indexOf(text, "\"" + name + "\": ", from);
    if (start < 0) return "not known";
    parts = split(substring(text, start + lengthOf(name) + 4), ",}\n");
    value = parseFloat(parts[0]);
    if (isNaN(value)) return "not known";
    return d2s(value, 2);
}
