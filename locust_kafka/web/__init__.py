"""The page under Locust's login that shows what Locust's tables cannot."""
