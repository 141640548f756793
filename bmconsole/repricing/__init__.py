"""Repricing at work: costs, facts gathered in bulk, decisions kept, approved, written and followed up."""
