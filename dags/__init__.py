"""When things run: thin DAGs, each started by a schedule or by an Asset of another DAG."""
