"""Single atoms: candidates on a micrograph, and which of them are atoms."""
