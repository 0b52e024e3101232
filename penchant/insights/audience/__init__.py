"""Launch audience: the users most likely to buy an item that nobody has bought yet."""
