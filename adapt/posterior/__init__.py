"""The posterior of a recipe's parameters, given unlabelled images."""
