"""Screens over the tabs: the review before a write with its progress and end, scanning, bulk changes, conflicts."""
