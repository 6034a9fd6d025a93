"""Locust's side: users, their client, rows, options, master and workers."""
