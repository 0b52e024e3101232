"""Search: items by text, re-ranked by what the user is interested in."""
