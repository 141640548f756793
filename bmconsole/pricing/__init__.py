"""Repricing: what was observed goes in, decisions that explain themselves come out. Pure: no files, no network."""
