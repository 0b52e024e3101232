"""Reads the plans that `penchant plan-campaign` wrote."""
