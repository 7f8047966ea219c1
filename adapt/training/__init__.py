"""What an adapted detector learns from: simulation by the posterior, and atoms grafted into the images themselves."""
