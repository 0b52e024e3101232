"""What a user's own baskets say about the next one: features of user and item, and a model."""
