"""The parts that tabs are built of; none of them knows the workspace."""
