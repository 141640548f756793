"""The local SQLite files: mirror (a cache), journal (intents and audit), history (observations and events)."""
