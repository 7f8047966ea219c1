"""What workers compute: atoms, statistics, pictures, reports and labels."""
