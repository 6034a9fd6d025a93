"""One exchange: who writes what on it, who decides, who is told."""
