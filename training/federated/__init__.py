"""Federated training: nodes that share a model and keep their users' histories."""
