"""The figures of docs/results/."""
