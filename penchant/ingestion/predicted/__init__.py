"""What each insight lands: a file for each, with its contracts and how their rows are read."""
