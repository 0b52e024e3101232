"""The part of federated training that runs in Flower's environment: NumPy, no PyTorch."""
