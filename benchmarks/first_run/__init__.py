"""What somebody meets who runs ``make demo`` for the first time."""
