"""Worker processes beside the server, and the queue that keeps them busy."""
