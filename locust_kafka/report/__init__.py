"""What is written and shown: summary, console, exchange log, report folder."""
