"""Retention: who returns, what they will spend, and who is fading."""
