"""What training and serving of the ranking model share: NumPy only, no PyTorch, no Feast."""
