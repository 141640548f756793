"""What processes that stay need: to be seen by the others, to be started by the system, to log and to notify."""
