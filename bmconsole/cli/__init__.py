"""The commands: they ask the workspace and print; stdout is data, stderr is narration."""
