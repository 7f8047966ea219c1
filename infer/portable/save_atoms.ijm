// Writes the selection of points, as it was found or corrected, as labels for `stemforge ingest`. Written by
// `stemforge imagej-macro`. From another macro: run("Save Atoms stemforge", "folder=[/path/of/labels]").

requires("1.53d");
title = "Save atoms (stemforge)";
if (nImages == 0) exit("Open an image first.");
if (selectionType() != 10) exit("Select points first: find atoms, or set them with the multi-point tool.");
getSelectionCoordinates(x, y);
name = getTitle();
dot = lastIndexOf(name, ".");
if (dot > 0) name = substring(name, 0, dot);
folder = getDirectory("image");
if (folder == "") folder = getDirectory("home");
Dialog.create(title);
Dialog.addDirectory("Folder", folder + "labels");
Dialog.addMessage(x.length + " points, as " + name + ".csv in pixels. A file of this name is replaced.");
Dialog.show();
folder = Dialog.getString();
if (!File.isDirectory(folder)) File.makeDirectory(folder);
if (!File.isDirectory(folder)) exit(folder + " cannot be made.");
text = "x_px,y_px\n";
for (i = 0; i < x.length; i++) text = text + d2s(x[i], 4) + "," + d2s(y[i], 4) + "\n";
if (!endsWith(folder, "/") && !endsWith(folder, File.separator)) folder = folder + File.separator;
File.saveString(text, folder + name + ".csv");
print(name + ": " + x.length + " points in " + folder + name + ".csv");
