"""When things run: five thin DAGs, each started by the Asset of the one before."""
