"""One screenful each: orders, listings, one order, one listing, the log."""
