"""Plans of campaigns: which offers go to which users at which discount, by what they add."""
