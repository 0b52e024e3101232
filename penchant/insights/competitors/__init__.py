"""Competitors: which of their items are ours, their prices, what we lack, and what is said."""
