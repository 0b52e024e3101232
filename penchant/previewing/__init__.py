"""What an edit of the dbt project would change, and making it live."""
