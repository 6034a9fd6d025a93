"""Spans of our exchanges: decided late, built from stamps already taken, exported in small chunks."""
