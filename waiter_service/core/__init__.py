"""Decides, purely: what a request means, what becomes of it, and which offset may be committed."""
