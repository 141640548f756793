"""The only place that changes anything at Back Market: every change is an intent, written down before it is sent."""
