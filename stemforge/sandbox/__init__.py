"""A child process in which files that nobody vouches for are opened, within limits of time and memory."""
