"""The figures of docs/results/. Opacus installs a package of the same name, so this is one too."""
