"""What shows: Locust's rows, the ledger, the summary, the exchange log."""
