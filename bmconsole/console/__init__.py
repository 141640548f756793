"""The console: what a seller keeps open all day. It shows and asks, the workspace decides."""
