"""One exchange: its state, the decisions about it, and its observers."""
