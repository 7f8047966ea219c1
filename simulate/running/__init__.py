"""Running: what a corpus costs, its shards made by many processes, and samples checked afterwards."""
