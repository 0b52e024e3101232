"""What families that do more than rank are worth: one file a table, see ``__main__``."""
