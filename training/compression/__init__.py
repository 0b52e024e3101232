"""Smaller forms of a trained run, each with what it saves and what it loses."""
