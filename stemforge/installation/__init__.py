"""What this installation can do here: versions, machine, features, files (the command ``stemforge doctor``)."""
