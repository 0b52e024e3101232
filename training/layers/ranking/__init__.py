"""Parts of the ranking stage: candidate sources, examples, boosted trees, calibration."""
