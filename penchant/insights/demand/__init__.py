"""Demand forecast: weekly and daily pieces by item, category and shop, with intervals."""
