"""Native threads and gevent's hub: the only way between them."""
