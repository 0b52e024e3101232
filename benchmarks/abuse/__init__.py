"""Attacks on the real server, each with its bound, beside a normal client."""
