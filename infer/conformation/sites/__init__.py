"""At which T site the acid of a zeolite is, from the conformers that an image shows."""
